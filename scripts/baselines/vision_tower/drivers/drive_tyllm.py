"""Measures the vision tower of our package."""

import argparse

from baselines.vision_tower.drivers import measurement

from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.file_names import VISUAL
from tyllm.runtime.execute.module import CompiledModule


def opened(given: argparse.Namespace) -> measurement.Tower:
    """The package's only size."""
    folder = given.model / VISUAL
    config = ModuleConfig.read(folder)
    tower, (program,) = CompiledModule(folder, config, given.threads), config.programs
    return lambda patches: tower(program.name, {program.inputs[0]: patches})[program.outputs[0]]


if __name__ == "__main__":
    measurement.main(opened)
