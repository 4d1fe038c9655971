"""What rounding each group of linear layers alone would change, measured in one pass of the original model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from awq.method.rounding import round_weight
from awq.method.rounding_errors import stream_error, stride
from awq.method.scale_groups import LayerPlan
from awq.recipe import Recipe
from awq.run.mixed_precision import Candidate
from awq.stream.activation_statistics import Arguments
from awq.stream.layerwise_pass import Inserted, LastHidden, walk
from awq.stream.malloc_trim import release
from awq.stream.meta_model import Skeleton
from awq.tasks.decoder_layer import LayerTask
from awq.tasks.hessian_layer import GramLayer
from awq.tasks.linear_layers import Linear
from awq.tasks.lm_head import HeadTask
from awq.work.activation_cache import Tape

Finder = Callable[[int, Arguments], LayerPlan]
Effects = dict[tuple[str, ...], float]  # by full names
SEPARATOR = " "


@dataclass
class Probe:
    """Measures the linear layers that `recipe` quantizes.

    Attributes:
        skeleton: the model.
        recipe: how they are rounded; its samples are whole.
        find_plan: finds the plan of a layer by its number and arguments.
        tape: for what a layer reads.
        report: called before each layer with what is being done.
        inserted: images among the samples.
    """

    skeleton: Skeleton
    recipe: Recipe
    find_plan: Finder
    tape: Tape
    report: Callable[[str], None]
    inserted: Inserted | None = None

    def effects(self) -> Effects:
        """The relative squared error that each leaves in its decoder layer's output, the head's in the logits."""
        found: Effects = {}

        def visit(index: int, layer: nn.Module, arguments: Arguments) -> torch.Tensor:
            self.report(f"sensitivity of layer {index + 1} of {len(self.skeleton.layers)}")
            task = LayerTask(layer, self.skeleton.prefixes[index], self.recipe)
            gram_layer = GramLayer(task, self.find_plan(index, arguments), self.tape, lambda step: None)
            for names, effect in gram_layer.effects(arguments).items():
                found[tuple(task.prefix + name for name in names)] = effect
            release()
            return arguments.hidden

        last = walk(self.skeleton, self.recipe.samples, visit, inserted=self.inserted)
        if self.recipe.config.lm_head_enable:
            found[(self.skeleton.head,)] = self._head_effect(last)
        return found

    def _head_effect(self, last: LastHidden) -> float:
        """Likewise for evenly spread rows of the head on the first batch of samples; logits count less their mean."""
        task = HeadTask(self.skeleton, self.recipe)
        rows = task.rows(slice(None, None, stride(task.shape[0])))
        hidden = last.hidden[: self.recipe.batch]
        wanted, found = hidden @ rows.T, hidden @ round_weight(rows, task.scheme()).T
        return stream_error(wanted - wanted.mean(-1, keepdim=True), found - found.mean(-1, keepdim=True))


def as_candidates(effects: Mapping[str, float], linears: Iterable[Linear]) -> Iterator[Candidate]:
    """What may be spared, from the effects by joined names."""
    found = {linear.name: linear for linear in linears}
    for joined, effect in effects.items():
        names = tuple(joined.split(SEPARATOR))
        scheme = found[names[0]].scheme
        assert scheme is not None  # only what is quantized was measured
        yield Candidate(names, effect, sum(found[name].weights for name in names), scheme)
