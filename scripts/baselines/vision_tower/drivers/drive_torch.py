"""Measures torch on the CPU; the variant is TYPE:FORM, TYPE:own for Hugging Face's code, or either with :compiled."""

import argparse

import torch
from baselines.vision_tower.drivers import measurement
from baselines.vision_tower.tower_forms import FormedTower, OwnTower, grid_of, tower_of


def opened(given: argparse.Namespace) -> measurement.Tower:
    """The module, its code compiled by torch if the variant says so."""
    torch.set_num_threads(given.threads)
    dtype, form, *compiled = given.variant.split(":")
    visual, grid = tower_of(given.model, dtype=getattr(torch, dtype)), grid_of(given.data)
    module = OwnTower(visual, grid) if form == "own" else FormedTower(visual, grid, form)
    run = torch.compile(module.eval(), dynamic=False, options={"freezing": True}) if compiled else module.eval()

    def tower(patches: measurement.Array) -> measurement.Array:
        with torch.no_grad():
            return run(torch.from_numpy(patches)).numpy()

    return tower


if __name__ == "__main__":
    measurement.main(opened)
