"""Token embeddings looked up on the host, for packages that take embeddings as input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tyllm.package import Package, Params
from tyllm.package.file_names import EMBEDDING
from tyllm.runtime.execute.loaded_code import CLOSED
from tyllm_base.errors import GenerationError, PackageError


class EmbeddingTable:
    """The table [V, H] in float16, mapped: a row costs a page, not the table."""

    def __init__(self, package: Package) -> None:
        """Map the table; raises `PackageError` where there is none or it is not the model's."""
        self._params = Params(package.files / EMBEDDING)
        shape = (package.manifest.vocab_size, package.manifest.hidden_size)
        table = self._params.tensors.get("embedding")
        if table is None or table.shape != shape or table.dtype != np.float16:
            found = "no tensor" if table is None else f"shape {list(table.shape)} of {table.dtype}"
            raise PackageError(
                f"{EMBEDDING} has {found} instead of an embedding {list(shape)} of float16; compile the model again."
            )
        self._table: npt.NDArray[np.float16] | None = table

    def look_up(self, token_ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """The embeddings of n tokens, float32 [n, H]; raises `GenerationError` when closed."""
        if self._table is None:
            raise GenerationError(CLOSED)
        return self._table[np.asarray(token_ids, np.int64)].astype(np.float32)

    def close(self) -> None:
        """Let go of the table."""
        self._table = None
        self._params.close()
