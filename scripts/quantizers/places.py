"""Where everything that is made lies: under out/quantizers, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = Path(__file__).resolve().parent / "drivers"
MADE = ROOT / "out" / "quantizers"
ENVIRONMENTS = MADE / "env"
CHECKPOINTS = MADE / "checkpoints"
QUANTIZED = MADE / "quantized"
LOGS = MADE / "log"
RESULTS = MADE / "results.json"
TRAINED = ROOT / "models" / "tyllm-7m"
