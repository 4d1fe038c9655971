"""Compare vision towers: `make bench-vision`, `python scripts/compare_vision_towers.py --help`."""

import sys

from baselines.harness.steps import StepError
from baselines.vision_tower.command import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except StepError as failure:
        sys.exit(str(failure))
