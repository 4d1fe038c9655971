"""The buffer configuration comes back from its file as it was, and nothing in it may lie outside its region."""

import pytest
from msgspec.structs import replace

from tyllm.package import BufferConfig, DieBuffers, IoEntry, KvLayer, ProgramMemory
from tyllm_base.errors import PackageError


def config() -> BufferConfig:
    io = {"tokens": IoEntry(0, (1, 8), "int64"), "logits": IoEntry(64, (16,), "float32")}
    io |= {"positions": IoEntry(0, (1, 8), "int64")} | {n: IoEntry(0, (1,), "int64") for n in ("position", "row")}
    io |= {"first_token": IoEntry(0, (1,), "int64")}
    layer = KvLayer(k_offset=0, v_offset=2 * 80 * 2 * 4, kv_heads=2, head_dim=4, v_head_dim=4)
    programs = {8: ProgramMemory(100, 128, io)}
    die = DieBuffers(0, (0, 16), kv_bytes=2 * 2 * 80 * 2 * 4, layers=(layer,), programs=programs)
    return BufferConfig(64, 80, (8,), (die,))


def with_die(**changes) -> BufferConfig:
    return replace(config(), dies=(replace(config().dies[0], **changes),))


def with_layer(**changes) -> BufferConfig:
    return with_die(layers=(replace(config().dies[0].layers[0], **changes),))


def with_io(**changes) -> BufferConfig:
    io = {**config().dies[0].programs[8].io, **changes}
    return with_die(programs={8: ProgramMemory(100, 128, {name: entry for name, entry in io.items() if entry})})


def with_second_head(rows: int) -> BufferConfig:
    """Two dies, of which the second's head takes so many rows."""
    first = config().dies[0]
    io = first.programs[8].io | {"row": IoEntry(0, (rows,), "int64"), "logit_count": IoEntry(0, (1,), "int64")}
    io["logits"] = IoEntry(0, (rows * 16,), "float32")
    second = replace(first, die=1, vocabulary=(16, 32), programs={8: ProgramMemory(100, 128, io)})
    return replace(config(), dies=(first, second))


def test_round_trip(tmp_path):
    config().write_buffer_config(tmp_path)
    assert BufferConfig.read(tmp_path) == config()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(config(), kv_capacity=71), "multiple of 16 - at `\\$.kv_capacity`"),
        (with_layer(dtype="int8"), "a layer of die 0 has a cache of type 'int8' and other scales"),
        (with_layer(dtype="float64"), r"float16\|int8.*dies\[0\].layers\[0\].dtype"),
        (with_layer(dtype="int8", k_scale_offset=0, v_scale_offset=64 * 10**6), "a layer of die 0 lies outside"),
        (with_die(kv_bytes=10), "a layer of die 0 lies outside its 10 bytes"),
        (
            with_die(programs={8: ProgramMemory(100, 100, config().dies[0].programs[8].io)}),
            "logits of die 0 does not fit 100",
        ),
        (replace(config(), kv_capacity=64), "a padded chunk writes up to row 71"),
        (with_die(die=1), "die 1 stands in the place of die 0"),
        (with_die(vocabulary=(0, 0)), "Expected `int` >= 1"),
        (with_layer(k_offset=32), "multiple of 64"),
        (with_layer(k_offset=2**60), "Expected `int` <= "),
        (with_layer(kv_heads=0), "Expected `int` >= 1"),
        (with_die(kv_bytes=2**60), "Expected `int` <= "),
        (with_io(tokens=IoEntry(0, (2**60, 2**60), "int64")), "Expected `int` <= "),
        (with_io(tokens=IoEntry(0, (8,), "int64")), r"tokens of die 0 is int64 \[8\] for 8 tokens"),
        (with_io(row=IoEntry(0, (1,), "int32")), r"row of die 0 is int32 \[1\]"),
        (with_io(row=None), "the io of die 0 lacks row"),
        (with_io(row=IoEntry(0, (9,), "int64")), "the head of die 0 takes 9 rows of 8 tokens"),
        (with_io(row=IoEntry(0, (0,), "int64")), "the head of die 0 takes 0 rows of 8 tokens"),
        (with_io(row=IoEntry(0, (2,), "int64")), "the io of die 0 lacks logit_count"),
        (
            with_io(row=IoEntry(0, (2,), "int64"), logit_count=IoEntry(0, (1,), "int64")),
            "die 0 has 16 rows of the vocabulary and other logits",
        ),
        (with_second_head(2), "the heads of dies 0 and 1 take other numbers of rows of 8 tokens"),
        (with_io(tokens=None), "the io of die 0 lacks embeddings or tokens"),
        (with_io(logits=IoEntry(64, (15,), "float32")), "die 0 has 16 rows of the vocabulary and other logits"),
        (with_die(vocabulary=(1, 17)), r"die 0 has the vocabulary \[1, 17\], not from row 0 on"),
        (with_die(programs={1: config().dies[0].programs[8]}), r"programs for lengths \[1\]"),
        (
            with_die(programs={8: ProgramMemory(9, 9, {"tokens": IoEntry(0, (1,), "nonsense")})}),
            r"float32.*dies\[0\].programs\[...\].io\[...\].dtype",
        ),
    ],
)
def test_contradictions(tmp_path, wrong, words):
    wrong.write_buffer_config(tmp_path)
    with pytest.raises(PackageError, match=words):
        BufferConfig.read(tmp_path)
