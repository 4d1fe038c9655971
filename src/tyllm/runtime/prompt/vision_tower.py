"""The vision tower of a package: images and videos to embeddings of the language model, the last few kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tyllm.package import ImageSize, Package, Visual
from tyllm.package.file_names import VISUAL
from tyllm.runtime.execute.loaded_code import CLOSED
from tyllm.runtime.execute.module import CompiledModule
from tyllm.runtime.images import Fitted, ImageSettings, fit_image, fit_video
from tyllm.runtime.prompt.video_input import VideoInput
from tyllm_base.errors import GenerationError, PackageError
from tyllm_base.fork_locks import new_rlock

if TYPE_CHECKING:
    from hf_messages.image_source import ImageSource

    AnyImage = ImageSource | Fitted
    from tyllm.runtime.images.sizes import Fit, Size

Embeddings = npt.NDArray[np.float32]
KEPT = 8  # images, or temporal patches of videos, whose embeddings are kept: 9 MB each of 540×960 for 3584 values


class VisionTower:
    """Fits images and computes their embeddings; it loads the tower at the first one. From any thread."""

    def __init__(self, package: Package, visual: Visual, threads: int | None, *, pin: bool = False) -> None:
        self.visual, self._package, self._threads, self._pin = visual, package, threads, pin
        self._kept: OrderedDict[str, Embeddings] = OrderedDict()  # by digest, the latest used last
        self._lock = new_rlock()
        self._is_closed = False

    def image(self, source: AnyImage, fit: Fit = "pad") -> Fitted:
        """An image as one of the compiled sizes takes it; raises `ImageError`."""
        return source if isinstance(source, Fitted) else fit_image(source, self.settings, self._sizes, fit)

    def video(self, given: VideoInput, fit: Fit = "pad") -> Fitted:
        """A video likewise."""
        if isinstance(given.video, Fitted):
            return given.video
        most = self._package.manifest.max_kv_cache_size
        return fit_video(given.video, self.settings, self._sizes, fit, max_tokens=most, **given.rates)

    def embeddings(self, fitted: Fitted) -> Embeddings:
        """float32 [tokens, H]: the program runs once for each temporal patch, unless the result is still kept."""
        with self._lock:
            found = self._kept.pop(fitted.digest, None)
            rows = self._compute(fitted) if found is None else found
            self._kept[fitted.digest] = rows
            self._forget(fitted.tokens // fitted.grid[0])
            return rows

    @cached_property
    def settings(self) -> ImageSettings:
        """The model's preprocessor_config.json; raises `CheckpointError` where the package does not say."""
        return ImageSettings.read(self._package.files)

    def close(self) -> None:
        """Stop the tower's threads, where it was loaded, when the image under way is done."""
        self._is_closed = True
        with self._lock:
            if "_tower" in self.__dict__:
                self._tower.close()

    def _compute(self, fitted: Fitted) -> Embeddings:
        """float32 [tokens, H]."""
        program = self._size_of(fitted).name
        return np.concatenate([self._run(program, patches) for patches in fitted.patches])

    def _run(self, program: str, patches: npt.NDArray[np.float32]) -> Embeddings:
        """The embeddings of a temporal patch."""
        if self._is_closed:
            raise GenerationError(CLOSED)
        return self._tower(program, {"patches": patches})["embeddings"]

    def _forget(self, tokens: int) -> None:
        """Keep as many rows as `KEPT` images of `tokens` have."""
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > KEPT * tokens:
            self._kept.popitem(last=False)

    @property
    def _sizes(self) -> Sequence[Size]:
        return [(size.height, size.width) for size in self.visual.sizes]

    def _size_of(self, fitted: Fitted) -> ImageSize:
        size = next((size for size in self.visual.sizes if size.grid == fitted.grid[1:]), None)
        if size is None:
            known = ", ".join(f"{size.name} ({size.grid[0]}×{size.grid[1]})" for size in self.visual.sizes)
            raise PackageError(
                f"No program takes {fitted.grid[1]}×{fitted.grid[2]} patches, the package has {known}; fit the image "
                "with this session's settings, or compile the model again."
            )
        return size

    @cached_property
    def _tower(self) -> CompiledModule:
        """The programs; loading maps the weights and starts threads."""
        package = self._package
        if package.visual is None:
            raise PackageError(f"{package.folder} has no vision tower; compile the model again.")
        files, order = package.files / VISUAL, self.visual.die_order
        return CompiledModule(files, package.visual, self._threads, order=order, pin=self._pin)
