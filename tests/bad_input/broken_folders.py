"""Ways to break a folder that was right: each gives a function that takes the folder."""

import shutil

import numpy as np
from tests.tiny_checkpoint import edit_json, edit_tensor

NORM, UP, TABLE = "model.norm.weight", "model.layers.0.mlp.up_proj", "model.embed_tokens.weight"
OTHER_MODEL = "the config and the weights belong to different models."


def config(**changes):
    return lambda folder: edit_json(folder / "config.json", **changes)


def tensor(name, change):
    return lambda folder: edit_tensor(folder, name, change)


def with_value(value, dtype=np.float16):
    """One value of a weight, in another type if need be."""

    def change(array):
        array = array.astype(dtype)
        array.flat[5] = value
        return array

    return change


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()
