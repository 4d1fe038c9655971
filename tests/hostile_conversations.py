"""Saved conversations as strangers send them: bytes that were changed, and archives that were made again."""

import io
import random
import zipfile
from collections.abc import Iterator

import numpy as np
from tests.mutated_bytes import mutated

from tyllm.runtime.cache.kv_file import _digest
from tyllm.runtime.generation.conversation import Conversation
from tyllm_base.errors import TyllmError

VALUES = (-1, -(2**31), 2**31 - 1, 10**12, -(2**63), 2**63 - 1, 0, 7)


def arrays_of(saved: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(saved), allow_pickle=False) as file:
        return dict(file)


def archive(arrays: dict[str, np.ndarray], *, signed: bool = True, compressed: bool = False) -> bytes:
    """A .npz file of arrays; with `signed` its SHA-256 is made right, as a forger would make it."""
    arrays = dict(arrays)
    if signed and "sha256" in arrays:
        arrays["sha256"] = np.asarray(_digest({name: array for name, array in arrays.items() if name != "sha256"}))
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def forged(saved: bytes, chance: random.Random) -> bytes:
    """A saved conversation with one array changed in its values, type, shape or order, or missing, or too many."""
    arrays = arrays_of(saved)
    name = chance.choice([name for name in arrays if name != "sha256"])
    array = arrays[name]
    numeric = array.dtype.kind in "if"
    changes = [
        lambda: arrays.pop(name),
        lambda: arrays.update({f"{name}x": array}),
        lambda: arrays.update({name: array[None]}),
        lambda: arrays.update({name: np.stack([array, array])}),
        lambda: arrays.update({name: array.reshape(-1)}),
        lambda: arrays.update({name: array.astype(array.dtype.newbyteorder())}),
        lambda: arrays.update({name: np.zeros(0, array.dtype)}),
        lambda: arrays.update({name: np.zeros((0, 10**12), np.int64)}),
    ]
    if array.ndim:
        changes.append(lambda: arrays.update({name: array[:-1]}))
    if numeric:
        other = chance.choice((np.float64, np.float32, np.int8, np.uint64, np.complex64, bool, "U9", "S3"))
        changes.append(lambda: arrays.update({name: array.astype(other)}))
    if numeric and array.size:
        changes += [lambda: _set(arrays, name, chance)] * 4
    chance.choice(changes)()
    return archive(arrays, signed=chance.random() < 0.8, compressed=chance.random() < 0.05)


def _set(arrays: dict[str, np.ndarray], name: str, chance: random.Random) -> None:
    """Put an extreme value into one place of an array."""
    array = arrays[name] = arrays[name].copy()
    value = chance.choice((np.nan, np.inf, -np.inf, 65504.0) if array.dtype.kind == "f" else VALUES)
    with np.errstate(all="ignore"):
        array.reshape(-1)[chance.randrange(array.size)] = np.asarray(value).astype(array.dtype)


def bomb(saved: bytes, name: str, shape: tuple[int, ...]) -> bytes:
    """An archive whose array `name` claims to be of a huge `shape`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for other, array in arrays_of(saved).items():
            content = io.BytesIO()
            if other == name:
                header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(content, header)
            else:
                np.save(content, array)
            out.writestr(f"{other}.npy", content.getvalue())
    return file.getvalue()


def hostile(saved: bytes, count: int, seed: int) -> Iterator[bytes]:
    """`count` changed forms of a saved conversation, half of them changed bytes and half forged archives."""
    chance = random.Random(seed)
    for number in range(count):
        yield mutated(saved, chance) if number % 2 else forged(saved, chance)


def check_restore(conversation: Conversation, before: bytes, hostile: bytes) -> bool:
    """Restore `hostile` over a conversation that `before` was saved of; whether it was accepted.

    A refusal is a sentence and leaves the conversation as it was, bit for bit; what is accepted can go on.
    """
    try:
        conversation.restore(hostile)
    except TyllmError as error:
        assert str(error).endswith("."), error
        assert conversation.save() == before
        return False
    if conversation.tokens:
        conversation.rewind(len(conversation) - 1)
    conversation.append([1])
    conversation.restore(before)
    return True
