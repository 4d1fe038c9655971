"""Bytes as a failing disk, a broken download or a stranger leaves them: one random change to a file's content."""

import random

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """`content` with a bit flipped, a number overwritten, or a part cut off, left out, repeated, swapped or added."""
    if not content:
        return bytes([chance.randrange(256)])
    at = chance.randrange(len(content))
    end = min(len(content), at + chance.choice((1, 2, 4, 8, 64, 1024)))
    part = content[at:end]
    other = chance.randrange(len(content))
    width = chance.choice((1, 2, 4, 8))
    number = (chance.choice(EXTREMES) & ((1 << 8 * width) - 1)).to_bytes(width, chance.choice(("little", "big")))
    changes = (
        lambda: content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
        lambda: content[:at] + number + content[at + width :],
        lambda: content[:at],
        lambda: content[at:],
        lambda: content[:at] + content[end:],
        lambda: content[:end] + part + content[end:],
        lambda: content[:at] + chance.randbytes(len(part)) + content[end:],
        lambda: content[:at] + chance.randbytes(len(part)) + content[at:],
        lambda: content[:other] + part + content[other + len(part) :],
        lambda: content + chance.randbytes(len(part)),
    )
    return chance.choice(changes)()
