"""Where everything that the comparisons make lies: out/baselines, which git ignores, or the folder TYLLM_BASELINES."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
BASELINES = SCRIPTS / "baselines"
MODEL_SCRIPTS = ROOT / "models"
MADE = Path(os.environ.get("TYLLM_BASELINES") or ROOT / "out" / "baselines").absolute()
ENVIRONMENTS = MADE / "env"
SOURCES = MADE / "source"
LOGS = MADE / "log"
