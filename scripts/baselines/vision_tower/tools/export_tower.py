"""Exports a form of the tower, free of modeling code: `export_tower.py CHECKPOINT DATA FORM OUT`."""

import argparse
from pathlib import Path

import torch
from baselines.vision_tower.tower_forms import FormedTower, grid_of, tower_of


def main() -> None:
    """Read the command line, write a .pt2 file."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("checkpoint", "data"):
        parser.add_argument(name, type=Path)
    parser.add_argument("form")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    grid = grid_of(given.data)
    visual = tower_of(given.checkpoint)
    patches = torch.zeros(grid[0] * grid[1], visual.patch_embed.proj.weight[0].numel())
    with torch.no_grad():
        program = torch.export.export(FormedTower(visual, grid, given.form), (patches,), strict=False)
    torch.export.save(program, given.output)


if __name__ == "__main__":
    main()
