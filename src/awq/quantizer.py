"""The run: every decoder layer, then what surrounds them, each part written as soon as it is done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from awq.errors import UnsupportedError
from awq.gram_layer import GramLayer
from awq.half import as_float16
from awq.head import HeadTask
from awq.layer import LayerTask
from awq.memory import release
from awq.observation import Arguments
from awq.progress import Progress
from awq.recipe import Recipe
from awq.replay_layer import ReplayLayer
from awq.safetensors_file import Array, Blocks
from awq.scale_groups import LayerPlan, find_plan
from awq.skeleton import Skeleton
from awq.tape import Tape
from awq.walk import LastHidden, Reached, walk
from awq.work_folder import WorkFolder

HIDDEN = "hidden"
REST = "rest"  # the part with the embedding, the final norm and the head


@dataclass
class Quantizer:
    """Quantises the checkpoint of `skeleton` by `recipe` into parts in `work`; parts already there are kept."""

    skeleton: Skeleton
    recipe: Recipe
    work: WorkFolder
    progress: Progress
    plans: dict[tuple[object, ...], LayerPlan] = field(default_factory=dict)

    def parts(self) -> list[str]:
        """The names of all parts, in the order in which they are stored."""
        return [*(self.layer_part(index) for index in range(len(self.skeleton.layers))), REST]

    @staticmethod
    def layer_part(index: int) -> str:
        """The name of a layer's part."""
        return f"layer-{index:05}"

    def run(self) -> None:
        """Finish every part.

        Raises:
            SettingError: the group size does not divide, found before any weight is read.
            CheckpointError: a weight is NaN, infinite or beyond float16.
            UnsupportedError: the layers' weights are not in linear layers.
            OutputError: the work folder cannot be written.
        """
        self.check()
        if not self.work.has(REST):
            last = None if self.recipe.method == "rtn" else self._walk()
            if last is None:
                self._round_layers()
            self._report(len(self.skeleton.layers), "embedding and head")
            self.work.write(REST, self._rest(last))
        self.work.drop(self._hidden_part(len(self.skeleton.layers)))
        self._report(len(self.skeleton.layers) + 1, "done")

    def _walk(self) -> LastHidden:
        """Quantise the layers, from the first on that is not done."""
        done = 0
        while done < len(self.skeleton.layers) and self.work.has(self.layer_part(done)):
            done += 1
        reached = None
        if done:
            hidden = torch.from_numpy(self.work.read(self._hidden_part(done), HIDDEN)).to(self.skeleton.device)
            reached = Reached(done, hidden)
        samples = self.recipe.samples.repeat(self.recipe.streams, 1)
        return walk(self.skeleton, samples, self._quantize, reached)

    @staticmethod
    def _hidden_part(layers: int) -> str:
        """The name of the part with the hidden states behind so many layers."""
        return f"hidden-{layers:05}"

    def check(self) -> None:
        """Raise what `run` would raise about shapes."""
        for index, layer in enumerate(self.skeleton.layers):
            _ = self._task(index).schemes
            inside = sum(m.weight.numel() for m in layer.modules() if isinstance(m, nn.Linear))
            if 2 * inside < sum(p.numel() for p in layer.parameters()):
                raise UnsupportedError(
                    f"{type(layer).__name__} keeps most of its weights outside linear layers, "
                    "such as in fused experts; give a dense decoder."
                )
        if self.recipe.config.lm_head_enable:
            HeadTask(self.skeleton, self.recipe).scheme()

    def _report(self, done: int, what: str) -> None:
        """Tell the progress callback."""
        self.progress(done, len(self.skeleton.layers) + 1, what)

    def _task(self, index: int) -> LayerTask:
        """The task of one layer."""
        return LayerTask(self.skeleton.layers[index], self.skeleton.prefixes[index], self.recipe)

    def _quantize(self, index: int, layer: nn.Module, arguments: Arguments) -> torch.Tensor:
        """Visit a layer: quantise it; the streams' hidden states behind it wait on disk for a run that goes on here."""
        what = f"layer {index + 1} of {len(self.skeleton.layers)}"
        self._report(index, what)
        task, plan = self._task(index), self._plan(index, arguments)
        if self.recipe.method == "tyllm":
            tape = Tape(self.work.path, self.skeleton.device)
            gram_layer = GramLayer(task, plan, tape, lambda step: self._report(index, f"{what}, {step}"))
            tensors, output = gram_layer.quantized(arguments, len(self.recipe.samples)), arguments.hidden
        else:
            output, tensors = ReplayLayer(task, plan).quantized(arguments)
        self.work.write(self._hidden_part(index + 1), {HIDDEN: output.cpu().numpy()})
        self.work.write(self.layer_part(index), tensors)
        self.work.drop(self._hidden_part(index))
        release()
        return output

    def _plan(self, index: int, arguments: Arguments) -> LayerPlan:
        """The layer's plan, found once for all layers of the same kind; leaves the layer's weights as they are."""
        layer = self.skeleton.layers[index]
        kind = (type(layer), *((name, tuple(p.shape)) for name, p in layer.named_parameters()))
        if kind not in self.plans:
            one = arguments.take(slice(0, 1))
            noise = torch.randn(one.hidden.shape, generator=torch.Generator().manual_seed(2))
            random = replace(one, hidden=noise.to(one.hidden))
            self.plans[kind] = find_plan(layer, lambda: random.call(layer))
            self.skeleton.fill(layer, self.skeleton.prefixes[index])
        return self.plans[kind]

    def _round_layers(self) -> None:
        """Round every layer to nearest."""
        for index, layer in enumerate(self.skeleton.layers):
            self._report(index, f"layer {index + 1} of {len(self.skeleton.layers)}")
            if not self.work.has(self.layer_part(index)):
                self.skeleton.fill(layer, self.skeleton.prefixes[index])
                self.work.write(self.layer_part(index), self._task(index).rounded())
                self.skeleton.empty(layer)
                release()

    def _rest(self, last: LastHidden | None) -> dict[str, Array | Blocks]:
        """What is outside the layers: the head as the recipe wants it, everything else float16."""
        head: dict[str, Array] = {}
        names = self.skeleton.surroundings() + self._head_tensors()
        if self.recipe.config.lm_head_enable:
            task = HeadTask(self.skeleton, self.recipe)
            if last is None:
                head = task.nearest()
            elif self.recipe.method == "tyllm":
                head = task.rounded(last, len(self.recipe.samples))
            else:
                head = task.replayed(last)
            names = [name for name in names if name != f"{self.skeleton.head}.weight"]
        return {name: self._half(name, last) for name in names} | head

    def _head_tensors(self) -> list[str]:
        """The head's own tensors in the checkpoint."""
        own = [name for name in self.skeleton.model.state_dict() if name.startswith(f"{self.skeleton.head}.")]
        return [name for name in own if not (self.skeleton.tied and name == f"{self.skeleton.head}.weight")]

    def _half(self, name: str, last: LastHidden | None) -> Array | Blocks:
        """A tensor in float16: the final norm from the model, which may have scaled it, others from the checkpoint."""
        if last is not None and last.norm is not None and name.startswith(f"{last.norm}."):
            return as_float16(name, np.asarray(self.skeleton.model.get_parameter(name).data.cpu()))
        info = self.skeleton.checkpoint.info(name)
        return Blocks(np.dtype(np.float16), info.shape, lambda: (as_float16(name, piece) for piece in info.pieces()))
