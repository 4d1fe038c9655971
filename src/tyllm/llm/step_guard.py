"""Refuses a captured step that would be wrong without a word: run on a few tokens, it must keep what a step relies on.

The compiled program knows the tokens before only through attention's caches, and the places of tokens only through its
input `positions`. So in the captured graph, with attention reduced to each token's own value, a row of the logits may
depend on that row's token and position alone, and not on where the row stands in the chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_checkpoint.vision_tower import find_tower
from tyllm.llm.cache_numbers import check_caches
from tyllm.llm.die_model import COUNTED, capture_step
from tyllm.llm.own_positions import counted_positions
from tyllm.llm.position_limit import position_limit
from tyllm.llm.stand_in_run import StandInRun
from tyllm.llm.vision.decoder_step import capture_decoder_step
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import UnsupportedError
from tytvm.capture import Capture

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS = 6
"""Rows that are tried: enough that a short convolution reaches from one to others on both sides."""
CHANGED = 2
"""The row whose token and position are replaced."""
ORDER = (3, 0, 5, 1, 4, 2)
TOLERANCE = 1e-6
"""Of the largest logit. Numbers are float64; what depends on something differs by far more."""


def check_step(model: PreTrainedModel, takes_embeddings: bool) -> Capture:
    """Refuse a model whose steps would be wrong; `model` is on the meta device, as `build_model` gives it.

    Positions that its code counts itself are the input's from then on. Returns the step that was tried.

    Raises:
        UnsupportedError: with what the step does that a step must not, or why that cannot be found out.
    """
    what, shape = type(model).__name__, StepShape(1, TOKENS)
    vision = find_tower(model) is not None
    capture = partial(capture_step, model, shape, TOKENS, takes_embeddings)
    given = capture_decoder_step(model, shape, TOKENS) if vision else capture()
    check_head(given, what)
    if not vision and (places := counted_positions(given, partial(_any_step, model, takes_embeddings), TOKENS)):
        setattr(model, COUNTED, places)
        given = capture()
    default = None if vision else capture(takes_positions=False)
    try:
        inputs, other = _two_inputs(model, given)
        check_rows(given, inputs, other, what)
        if default:
            numbered = {"positions": torch.arange(TOKENS).unsqueeze(0)}
            check_positions(given, default, inputs | numbered, what)
    except UnsupportedError:
        raise
    except Exception as error:  # an operator can fail in any way on numbers that have no meaning
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(
            f"{what} cannot be tried on a few tokens ({reason}), so that nobody knows whether it would be right; "
            "choose another model."
        ) from error
    check_caches(given, model.config.get_text_config().num_hidden_layers, what)
    return given


def _any_step(model: PreTrainedModel, takes_embeddings: bool, tokens: int) -> Capture:
    return capture_step(model, StepShape(1, tokens), 1, takes_embeddings)


def _two_inputs(model: PreTrainedModel, capture: Capture) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs of `TOKENS` different rows, and the same with row `CHANGED` replaced."""
    random = torch.Generator().manual_seed(0)
    ends = {"tokens": int(model.config.get_text_config().vocab_size), "positions": position_limit(model.config) or 64}
    first: dict[str, Tensor] = {"row": torch.arange(TOKENS)}
    for node in capture.graph_module.graph.find_nodes(op="placeholder"):
        if node.name in ends:
            first[node.name] = torch.randint(ends[node.name], (1, TOKENS), generator=random)
        elif node.name in capture.inputs and node.name != "row":
            first[node.name] = torch.randn(node.meta["val"].shape, generator=random, dtype=torch.float64)
    other = {name: value.clone() for name, value in first.items()}
    for name, value in other.items():
        if name in ends:
            value[0, CHANGED] = (value[0, CHANGED] + ends[name] // 2) % ends[name]
        elif name != "row":
            (value[0] if len(value) == 1 else value)[CHANGED] += 1
    return first, other


def check_head(capture: Capture, what: str) -> None:
    """Refuse a step that gives the logits of all its tokens, whichever are asked for.

    Raises:
        UnsupportedError: it does not read the input `row`.
    """
    row = next((node for node in capture.graph_module.graph.find_nodes(op="placeholder") if node.name == "row"), None)
    if row is None or not row.users:
        raise UnsupportedError(
            f"{what} computes the logits of all tokens and does not take logits_to_keep, which asks for those of some; "
            "such models are not supported."
        )


def check_rows(capture: Capture, inputs: Mapping[str, Tensor], other: Mapping[str, Tensor], what: str) -> None:
    """Refuse a step whose rows depend on one another, or on their place in the chunk.

    Args:
        capture: a step of `TOKENS` tokens that gives logits of all of them.
        inputs: of each row something else; tokens along the axis that `TOKENS` long.
        other: the same with one row replaced, `CHANGED`.
        what: the model, for the message.

    Raises:
        UnsupportedError: with what the rows depend on.
    """
    run = StandInRun(capture)
    first = _rows(run(inputs))
    if not bool(torch.isfinite(first).all()):
        raise UnsupportedError(
            f"{what} gives no finite numbers when its captured step is tried; it cannot be compiled."
        )
    rest = [row for row in range(TOKENS) if row != CHANGED]
    if not _equal(_rows(run(other))[rest], first[rest]):
        raise UnsupportedError(
            f"{what} mixes tokens outside of attention (a convolution, a recurrence, or attention of its own), whose "
            "state between steps is not supported; choose a model whose layers mix tokens in attention alone."
        )
    if not _equal(_rows(run(_permuted(inputs))), first[list(ORDER)]):
        raise UnsupportedError(
            f"{what} counts the positions of tokens itself instead of taking position_ids, and would begin again at 0 "
            "in each step; such models are not supported."
        )


def check_positions(given: Capture, default: Capture, inputs: Mapping[str, Tensor], what: str) -> None:
    """Refuse a model that, left alone, gives tokens other positions than 0, 1, 2, …, which is what the runtime gives.

    Args:
        given: the step with the input `positions`.
        default: the step without it.
        inputs: of the first, with those positions.
        what: the model, for the message.

    Raises:
        UnsupportedError: the results differ.
    """
    without = {name: value for name, value in inputs.items() if name in default.inputs}
    if not _equal(_rows(StandInRun(given)(inputs)), _rows(StandInRun(default)(without))):
        raise UnsupportedError(
            f"{what} does not number positions 0, 1, 2, … as TyLLM does; models that begin elsewhere are not supported."
        )


def _permuted(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs with rows in another order; `row` is none of them."""
    order = torch.tensor(ORDER)
    return {name: value if name == "row" else value[..., order] if value.ndim == 2 else _along(value, order)
            for name, value in inputs.items()}  # fmt: skip


def _along(value: Tensor, order: Tensor) -> Tensor:
    """Embeddings [1, S, H] or rows [S, 2, D] with tokens in another order."""
    return value[:, order] if value.shape[0] == 1 else value[order]


def _rows(logits: Tensor) -> Tensor:
    """(tokens, vocabulary)."""
    return logits.reshape(TOKENS, -1)


def _equal(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())
