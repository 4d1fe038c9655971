"""Compare TyLLM with other inference engines: `make bench`, `python scripts/compare_engines.py --help`."""

import sys

from baselines.harness.steps import StepError
from baselines.inference.command import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as failure:
        sys.exit(str(failure))
