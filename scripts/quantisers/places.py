"""Where everything that is made lies: under out/quantisers, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = Path(__file__).resolve().parent / "drivers"
MADE = ROOT / "out" / "quantisers"
ENVIRONMENTS = MADE / "env"
CHECKPOINTS = MADE / "checkpoints"
QUANTISED = MADE / "quantised"
LOGS = MADE / "log"
RESULTS = MADE / "results.json"
TRAINED = ROOT / "models" / "tyllm-7m"
