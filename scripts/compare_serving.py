"""Compare TyLLM with other engines on many requests at once: `make bench-serving`, or this file with `--help`."""

import sys

from baselines.harness.steps import StepError
from baselines.serving.command import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as failure:
        sys.exit(str(failure))
