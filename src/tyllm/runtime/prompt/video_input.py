"""A video that a caller gives, with its rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hf_messages.image_source import is_path, local_path
from tyllm_base.errors import ImageError

if TYPE_CHECKING:
    from tyllm.runtime.images import Fitted
    from tyllm.runtime.images.frames import Video

    AnyVideo: TypeAlias = "Video | Fitted | Mapping[str, Any] | VideoInput"

RATES = ("fps", "source_fps", "num_frames")


@dataclass(frozen=True)
class VideoInput:
    """A video.

    Attributes:
        video: frames, a folder of frames, or a file with several frames.
        fps: frames to take of each second; of frames or a folder without `source_fps`, their own rate: all are taken.
        source_fps: frames that there are of each second; a file knows its own.
        num_frames: frames to take, evenly spaced.
    """

    video: Video | Fitted
    fps: float | None = None
    source_fps: float | None = None
    num_frames: int | None = None

    @classmethod
    def of(cls, given: AnyVideo) -> VideoInput:
        """A video alone, or with its rates as {"video": …, "fps": …}; raises `ImageError`."""
        if isinstance(given, VideoInput):
            return given
        if not isinstance(given, Mapping):
            return cls(given)
        if given.get("video") is None:
            raise ImageError(f"A video is given with {', '.join(map(str, given)) or 'nothing'}; give it as 'video'.")
        return cls(given["video"], **{name: given[name] for name in RATES if given.get(name) is not None})

    @property
    def rates(self) -> dict[str, Any]:
        """The rates as `fit_video` takes them."""
        if self.source_fps is None and self.fps is not None and self._has_no_rate():
            return {"source_fps": self.fps, "num_frames": self.num_frames}
        return {name: getattr(self, name) for name in RATES}

    def _has_no_rate(self) -> bool:
        """Whether nothing but the caller can say how many frames there are of each second."""
        if isinstance(self.video, list | tuple | np.ndarray):
            return True
        return is_path(self.video) and Path(local_path(self.video)).is_dir()
