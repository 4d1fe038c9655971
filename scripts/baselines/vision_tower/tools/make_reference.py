"""Writes the patches of one image, and what Hugging Face's tower makes of them in float32, to judge others by."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from baselines.vision_tower.tower_forms import OwnTower, tower_of


def main() -> None:
    """Read the command line, write patches.npy, reference.npy and grid.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--grid", type=int, nargs=2, required=True)
    given = parser.parse_args()
    visual = tower_of(given.checkpoint)
    width = visual.patch_embed.proj.weight[0].numel()
    patches = np.random.default_rng(0).standard_normal((given.grid[0] * given.grid[1], width), np.float32)
    with torch.inference_mode():
        reference = OwnTower(visual, tuple(given.grid))(torch.from_numpy(patches)).numpy()
    given.output.mkdir(parents=True)
    np.save(given.output / "patches.npy", patches)
    np.save(given.output / "reference.npy", reference)
    (given.output / "grid.json").write_text(json.dumps(given.grid), encoding="utf-8")


if __name__ == "__main__":
    main()
