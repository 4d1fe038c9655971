"""Writes a checkpoint of a full vision tower and one language layer: `make_checkpoint.py CONFIG OUT`.

PYTHONPATH has to name the folders models and scripts.
"""

import argparse
from pathlib import Path

from random_weights import write_random_checkpoint
from small_config import SPECIAL, VISION_SPECIALS, VOCABULARY, read_config, with_layers


def main() -> None:
    """Read the command line, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("output", type=Path)
    parser.add_argument("--depth", type=int, help="layers of the tower")
    given = parser.parse_args()
    config = with_layers(read_config(given.config), 1, given.depth)
    config |= {"vocab_size": VOCABULARY, "intermediate_size": 2 * config["hidden_size"]} | SPECIAL | VISION_SPECIALS
    write_random_checkpoint(config, given.output)


if __name__ == "__main__":
    main()
