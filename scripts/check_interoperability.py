"""Open our folders in vLLM and transformers: `python scripts/check_interoperability.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))

from baselines.harness.steps import StepError
from baselines.interoperability.command import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as failure:
        sys.exit(str(failure))
