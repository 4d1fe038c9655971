"""The rotary cosines and sines of a conversation's positions, which a compiled program computes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from tyllm.package import Package, Params
from tyllm.package.file_names import ROPE_PROGRAM, ROPE_TABLE
from tyllm.runtime.execute.module import CompiledModule
from tyllm.runtime.prompt.rope_index import RopePositions
from tyllm_base.errors import PackageError

Table = npt.NDArray[np.float32]


class RopeTable:
    """Makes tables float32 [N, 2, D/2], where N is max_kv_cache_size and D the size of a head: cosines, then sines."""

    def __init__(self, package: Package) -> None:
        """Map the table of plain text; raises `PackageError` where there is none or it is not one of the program's."""
        self._package, rows = package, package.buffers.max_kv_cache_size
        half = package.rope.dies[0][ROPE_PROGRAM].io["rope_param"].shape[-1] if package.rope else None
        self._params = Params(package.files / ROPE_TABLE)
        table = self._params.tensors.get("rope_param")
        fits = table is not None and table.ndim == 3 and table.shape[:2] == (rows, 2) and table.dtype == np.float32
        if table is None or not fits or half not in (None, table.shape[2]):
            found = "no tensor" if table is None else f"shape {list(table.shape)} of {table.dtype}"
            raise PackageError(
                f"{ROPE_TABLE} has {found} instead of a rope_param [{rows}, 2, {half or '…'}] of float32; compile the "
                "model again."
            )
        self.plain: Table = table

    def table_of(self, positions: RopePositions) -> Table:
        """The table float32 [N, 2, D/2] of positions int32 [3, N]; raises `StepError` where compiled code fails."""
        if np.array_equal(positions, np.broadcast_to(np.arange(len(self.plain)), positions.shape)):
            return self.plain
        return self._module(ROPE_PROGRAM, {"positions": positions})["rope_param"]

    def close(self) -> None:
        """Stop the thread of the program, where one was started, and let go of the table."""
        if "_module" in self.__dict__:
            self._module.close()
        self.plain = self.plain[:0].copy()
        self._params.close()

    @cached_property
    def _module(self) -> CompiledModule:
        """The program, loaded when there is the first image."""
        package = self._package
        if package.rope is None:
            raise PackageError(f"{package.folder} has no program for rotary positions; compile the model again.")
        return CompiledModule(package.files, package.rope, threads=1)
