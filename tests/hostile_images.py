"""Images as strangers send them: changed files of every format, and bombs that are small as files."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from tests.mutated_bytes import mutated

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "EPS", "PPM", "ICO", "TGA", "PCX", "SGI", "DDS", "JPEG2000")
ANIMATED = ("PNG", "GIF", "WEBP", "TIFF")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def samples() -> list[bytes]:
    """Small good files: each format, each mode that it has, and animations."""
    noise = np.random.default_rng(1).integers(0, 256, (24, 20, 4), np.uint8)
    images = [Image.fromarray(noise[..., :channels].squeeze()) for channels in (1, 3, 4)]
    images += [images[1].convert(mode) for mode in ("1", "P", "CMYK", "LA", "I", "F", "YCbCr")]
    images.append(Image.fromarray(noise[..., 0].astype(np.uint16) * 257))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = [encoded(images[1], "JPEG", exif=exif, progressive=True, icc_profile=b"x" * 200)]
    for kind in KINDS:
        for image in images:
            try:
                found.append(encoded(image, kind))
            except (OSError, ValueError, KeyError):  # a mode that the format has not
                continue
    more = [images[1].rotate(90 * turn) for turn in range(3)]
    return found + [encoded(more[0], kind, save_all=True, append_images=more[1:], duration=40) for kind in ANIMATED]


def hostile(count: int, seed: int) -> Iterator[bytes]:
    """`count` changed images, one to three changes each, most of them in the first 200 bytes, where headers are."""
    chance, good = random.Random(seed), samples()
    for _ in range(count):
        content = chance.choice(good)
        for _ in range(chance.randint(1, 3)):
            if chance.random() < 0.7:
                content = mutated(content[:200], chance) + content[200:]
            else:
                content = mutated(content, chance)
        yield content


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, color: int = 2) -> bytes:
    """A PNG of its header and these chunks."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of one color, a few bytes a frame: each clears the table of codes and stops."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return screen + frame * frames + b";"


def tiff(pages: int, entries: dict[int, tuple[int, int, int]]) -> bytes:
    """A TIFF of many pages with the same tags: {tag: (type, count, value)}."""
    size = 2 + 12 * len(entries) + 4
    body = b"II*\0" + struct.pack("<I", 8)
    for page in range(pages):
        body += struct.pack("<H", len(entries))
        body += b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
        body += struct.pack("<I", 8 + (page + 1) * size if page + 1 < pages else 0)
    return body


def bombs() -> dict[str, bytes]:
    """Small files that ask for much time or memory."""
    text = (b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6)))
    profile = (b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))
    pixels = (b"IDAT", zlib.compress(bytes(10**8)))
    gray = {256: (4, 1, 30), 257: (4, 1, 30), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8),
            277: (3, 1, 1), 278: (4, 1, 30), 279: (4, 1, 900)}  # fmt: skip
    tiles = gray | {259: (3, 1, 8), 322: (4, 1, 40_000), 323: (4, 1, 40_000), 324: (4, 1, 8), 325: (4, 1, 900)}
    tags = dict.fromkeys(range(300, 60_000), (1, 500_000, 8))
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + bytes(2)
    jpeg = encoded(Image.new("L", (9000, 9000)), "JPEG", progressive=True)
    return {
        "texts of 1 MB each": png(20, 20, *[text] * 200, (b"IDAT", zlib.compress(bytes(20 * 61)))),
        "a color profile of 100 MB": png(20, 20, profile, (b"IDAT", zlib.compress(bytes(20 * 61)))),
        "100 MB behind the last row": png(20, 20, pixels),
        "a side of 2^31 - 1": png(2**31 - 1, 1, pixels),
        "no side": png(0, 7, pixels),
        "a thousand million pixels": png(50_000, 20_000, pixels),
        "2 thousand million frames": png(20, 20, (b"acTL", struct.pack(">II", 2**31, 0)), pixels),
        "40 frames of 8000x8000": gif(8000, 8000, 40),
        "a million frames": gif(20, 20, 1_000_000),
        "a million chunks": png(20, 20, *[(b"teXt", b"")] * 1_000_000),
        "4,000 pages": tiff(4_000, gray),
        "pages of 8000x8000": tiff(40, gray | {256: (4, 1, 8000), 257: (4, 1, 8000)}),
        "tiles larger than the image": tiff(1, tiles),
        "59,700 tags of 500 KB": tiff(1, gray | tags),
        "5,000 scans": jpeg[:-2] + scan * 5000 + jpeg[-2:],
        "a postscript program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
    }
