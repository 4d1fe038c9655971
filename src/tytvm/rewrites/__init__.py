"""Rewrites of a captured graph, in order: clutter goes first, then what has a kernel of its own becomes one node.

A rewrite that does not match costs speed, never correctness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import fx

from tytvm.rewrites import (
    cleanup,
    complex_numbers,
    conv_as_linear,
    duplicates,
    integer_operands,
    quick_gelu,
    rms_norm,
    rope,
    scaled_dot_product,
    scattered_slices,
    swiglu,
    transposed_products,
    written_rows,
)


@dataclass(frozen=True)
class Rewrite:
    """A named change of a graph; `rewrite` makes it in place and returns how often it was made."""

    name: str
    rewrite: Callable[[fx.Graph], int]


REWRITES: tuple[Rewrite, ...] = (
    Rewrite("cleanup", cleanup.remove_clutter),  # first: a `to` that changes nothing hides every pattern
    Rewrite("complex_numbers", complex_numbers.split_complex),  # no other knows complex numbers
    Rewrite("scattered_slices", scattered_slices.join_slices),
    Rewrite("written_rows", written_rows.read_through),
    Rewrite("conv_as_linear", conv_as_linear.replace_convolutions),
    Rewrite("scaled_dot_product", scaled_dot_product.replace_attention),
    Rewrite("duplicates", duplicates.merge_duplicates),  # a pattern that names x twice wants the same node twice
    Rewrite("transposed_products", transposed_products.as_linear),
    Rewrite("integer_operands", integer_operands.convert_operands),
    Rewrite("rms_norm", rms_norm.FUSION.fuse),  # the fusions share no node, so their order is that of a decoder layer
    Rewrite("rope", rope.FUSION.fuse),
    Rewrite("swiglu", swiglu.FUSION.fuse),
    Rewrite("quick_gelu", quick_gelu.FUSION.fuse),
)


def apply(graph_module: fx.GraphModule) -> fx.GraphModule:
    """Run every rewrite on the graph, in place, and return the same module.

    Placeholders stay, used or not; `meta["val"]` of every node holds its shape and type, though maybe other strides.
    `graph_module.meta["rewrites"]` then says how often each rewrite was made: nodes removed, or patterns fused.
    A graph in which an operator writes to its input stays as it is, since there a node does not stand for one value.
    """
    graph = graph_module.graph
    counts = dict.fromkeys((rewrite.name for rewrite in REWRITES), 0)
    if not any(map(_writes, graph.nodes)):
        counts = {rewrite.name: rewrite.rewrite(graph) for rewrite in REWRITES}
    graph.lint()
    graph_module.recompile()
    graph_module.meta["rewrites"] = counts
    return graph_module


def _writes(node: fx.Node) -> bool:
    """Whether the node's operator changes one of its inputs in place."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)
