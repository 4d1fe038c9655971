"""The vision tower over its dies: which part of each weight a die holds, and the graph that it computes.

What is divided is found in the structure of the captured graph (`tyllm.graph`), as in any other module: attention by
heads, MLPs and the merger by their inner channels. All else is whole on each die.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hf_checkpoint.vision_tower import TowerModule
from tyllm.build.tensor_parallel import ModelSharding
from tyllm.graph.partitioning import Partitioning, partition
from tyllm.graph.trace import canonicalize
from tyllm.llm.vision.vision_tower import capture_tower
from tyllm_base.errors import SettingError
from tytvm.capture import Capture

Grid = tuple[int, int]
"""Rows and columns of patches."""


@dataclass(frozen=True)
class TowerSharding:
    """A vision tower over `dies`; each grid is captured once."""

    tower: TowerModule
    dies: int
    captured: dict[Grid, tuple[Capture, Partitioning]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the number of dies; raises `SettingError` where there are fewer heads."""
        heads = self.tower.module.config.num_heads
        if heads < self.dies:
            raise SettingError(
                f"The vision tower's {heads} heads do not split over {self.dies} dies; use {heads} or fewer."
            )

    def split(self, grid: Grid) -> ModelSharding:
        """How each weight is cut, by its name in the model; the same for every grid."""
        if self.dies == 1:
            return ModelSharding(1, {}, ())
        capture, partitioning = self._partitioned(grid)
        shards = partitioning.shards().items()
        return ModelSharding(self.dies, {capture.parameters[name]: shard for name, shard in shards}, ())

    def capture(self, grid: Grid, die: int) -> Capture:
        """A die's graph for a grid of patches, with the die's parts of the weights.

        Raises:
            UnsupportedError: torch.export cannot trace the tower's code.
        """
        capture, partitioning = self._partitioned(grid)
        own = dict(capture.constants)  # the compiler takes out what it folds
        return replace(capture, graph_module=partitioning.of_die(die), constants=own)

    def _partitioned(self, grid: Grid) -> tuple[Capture, Partitioning]:
        if grid not in self.captured:
            capture = capture_tower(self.tower, grid)
            canonicalize(capture.graph_module)
            self.captured[grid] = capture, partition(capture.graph_module, set(capture.parameters), self.dies)
        return self.captured[grid]
