"""Attention of packed sequences, not causal: each query sees the keys of its sequence; no work is done for others.

A task (packed_sequences.py) takes its sequence's keys a block at a time: scores, weights by an online softmax (Milakov
and Gimelshein 2018) and weighted sums of values (Dao et al. 2022, FlashAttention), all in the thread's memory.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script.builder import ir as script

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.encoding import Bfloat16, Encoding, Float32, bytes_of
from tytvm.kernels.operands.packed_sequences import STEP, PackedSequences
from tytvm.kernels.operators import VarlenAttention
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, ceildiv, fill, lanes_of, materialize, span
from tytvm.kernels.varlen_attention.varlen_products import BLOCK, VarlenFloatProducts, VarlenTileProducts
from tytvm.kernels.varlen_attention.varlen_softmax import VarlenSoftmax
from tytvm.target import InstructionSet


def build(spec: InstructionSet, shape: PackedSequences, encoding: Encoding) -> PrimFunc:
    """(*shape.packed(), rows i32[positions], tasks i32[n,3], *what the encoding of [tokens, H·Dv] consists of).

    `rows` and `tasks` are `shape.token_rows()` and `shape.tasks()`. The encoding is one that `takes` says yes to.
    """
    made = encoding.tensors(shape.tokens, shape.H * shape.Dv)
    count = len(shape.tasks())
    with IRBuilder() as builder, script.prim_func(is_private=True):
        script.func_name("segment_attention")
        packed = [script.arg(f"packed{i}", T.Buffer(*tensor)) for i, tensor in enumerate(shape.packed())]
        rows = script.arg("rows", T.Buffer((shape.positions,), "int32"))
        tasks = script.arg("tasks", T.Buffer((count, 3), "int32"))
        outputs = [script.arg(f"out{i}", T.Buffer(*tensor)) for i, tensor in enumerate(made)]
        with T.parallel(shape.H * count) as number:
            head = materialize(number // count, "int32", 1)
            query, first, keys = (materialize(tasks[number % count, i], "int32", 1) for i in range(3))
            sums, softmax = attend(spec, shape, packed, head, query, first, keys)
            with T.serial(STEP) as i:
                row = materialize(rows[query + i], "int32", 1)
                with T.If(row >= 0), T.Then():
                    _finish(shape, encoding, outputs, sums, softmax.inverse(i), i, row, head)
    return builder.get()


def attend(
    spec: InstructionSet,
    shape: PackedSequences,
    packed: list[Buffer],
    head: Scalar,
    query: Scalar,
    first: Scalar,
    keys: Scalar,
) -> tuple[Buffer, VarlenSoftmax]:
    """The weighted sums [32, width] of a task's queries, and the softmax that has their denominators."""
    scores = scratch((STEP, BLOCK), "float32")
    sums = scratch((STEP, shape.width), "float32", STEP * BLOCK * 6)
    weights = scratch((STEP, BLOCK), "uint16", STEP * BLOCK * 4) if shape.tiled else None
    softmax = VarlenSoftmax(shape, scores, weights, sums, STEP * BLOCK * 6 + STEP * shape.width * 4)
    softmax.clear()
    heads = head, materialize(head // (shape.H // shape.KH), "int32", 1)
    products = (VarlenTileProducts if shape.tiled else VarlenFloatProducts)(
        spec, shape, packed, heads, scores, weights, sums
    )
    if shape.tiled:
        amx.start()
    with T.serial(ceildiv(keys, BLOCK)) as block:
        base = materialize(block * BLOCK, "int32", 1)
        rest = materialize(T.min(keys - base, BLOCK), "int32", 1)
        steps = materialize((rest + (STEP - 1)) // STEP, "int32", 1)
        products.score(query, first + base, steps)
        softmax.apply(rest, steps)
        products.gather(first + base, steps)
    if shape.tiled:
        amx.end()
    return sums, softmax


def _finish(
    shape: PackedSequences,
    encoding: Encoding,
    outputs: list[Buffer],
    sums: Buffer,
    inverse: Scalar,
    i: Scalar,
    row: Scalar,
    head: Scalar,
) -> None:
    """Writes a query's row of the output."""
    lanes = lanes_of(shape.Dv)
    with T.serial(shape.Dv // lanes) as vector:
        value = materialize(sums[i, span(vector * lanes, lanes)] * fill(inverse, lanes), "float32", lanes)
        column = materialize(head * shape.Dv + vector * lanes, "int32", 1)
        if isinstance(encoding, Float32):
            T.buffer_store(outputs[0], value, [row, span(column, lanes)])
        else:
            half = T.vectorlow("uint16x16", materialize(amx.bfloat16(value, value), "uint16", amx.DEPTH))
            at = [row // amx.SIDE, column // amx.DEPTH, row % amx.SIDE, span(column % amx.DEPTH)]
            T.buffer_store(outputs[0], half, at)


def takes(shape: PackedSequences, encoding: Encoding) -> bool:
    """Whether the output can be written in an encoding: bfloat16 in whole vectors and whole tiles."""
    whole = shape.Dv % LANES == 0 and shape.H * shape.Dv % amx.DEPTH == 0
    return isinstance(encoding, Float32) or (isinstance(encoding, Bfloat16) and whole)


def reference(
    shape: PackedSequences, q: npt.NDArray[np.float32], k: npt.NDArray[np.float32], v: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """By the definition, in float64: q f32[token,H,D], k f32[token,KH,D], v f32[token,KH,Dv] → f32[token,H,Dv]."""
    wide = [np.repeat(x.astype(np.float64), shape.H // x.shape[1], axis=1) for x in (q, k, v)]
    edges = np.cumsum([0, *shape.lengths])
    parts = []
    for a, b in pairwise(edges):
        queries, keys, values = (x[a:b] for x in wide)
        scores = np.einsum("shd,chd->hsc", queries, keys) * shape.scale
        weights = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
        parts.append(np.einsum("hsc,chd->shd", weights / weights.sum(-1, keepdims=True), values))
    return np.asarray(np.concatenate(parts), np.float32)


def cost(shape: PackedSequences, encoding: Encoding) -> Cost:
    """Operations and bytes; an exponential counts as 16."""
    products = 2 * shape.H * shape.work * (shape.D + shape.Dv)
    operations = {"float32": 20 * shape.H * shape.work + (0 if shape.tiled else products)}
    operations |= {"bfloat16": products} if shape.tiled else {}
    read = sum(size(dtype, *extents) for extents, dtype in shape.packed()) + size("int32", shape.positions)
    return Cost(operations, read, bytes_of(encoding, shape.tokens, shape.H * shape.Dv))


def accepts(target: KernelTarget, attention: VarlenAttention) -> Specialization | None:
    """Every shape, written as float32; as bfloat16 in whole vectors and whole tiles only."""
    shape, encoding = attention.shape, attention.encoding
    if not takes(shape, encoding):
        return None
    sizes = shape.tokens, len(shape.lengths), shape.H, shape.D
    return Specialization(symbol(f"segment_attention{encoding.kind}", *sizes), (shape, encoding))


KERNEL = Kernel(VarlenAttention, accepts, build, cost, reference, WorkKind.ATTENTION)
