"""Where everything that the comparisons make lies: under out/baselines, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
BASELINES = SCRIPTS / "baselines"
MODEL_SCRIPTS = ROOT / "models"
MADE = ROOT / "out" / "baselines"
ENVIRONMENTS = MADE / "env"
SOURCES = MADE / "source"
LOGS = MADE / "log"
