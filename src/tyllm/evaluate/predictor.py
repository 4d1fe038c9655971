"""The interface of models that predict text: windows of tokens go in, logits of the next tokens come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.resources.abc import Traversable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tyllm.evaluate.text_windows import Tokens
from tyllm_base.progress import Advance

Logits = npt.NDArray[np.float32]


class Predictor(AbstractContextManager["Predictor"], Protocol):
    """A model that predicts; its memory is given back at the end of a `with` block.

    Attributes:
        vocabulary: how many tokens have a logit: V.
        context: how many tokens a window may have at most; None if nothing limits them.
        files: where its tokenizer lies: the checkpoint's folder, or an opened package.
    """

    vocabulary: int
    context: int | None
    files: Traversable

    def predictions(self, windows: Tokens, advance: Advance) -> Iterator[Logits]:
        """The logits float32 [V] of the token after each of `windows` int64 [n, T] but a window's last, in order.

        An array is the caller's only until the next one is asked for. `advance` is called after each piece of work;
        its numbers add up to n · T.
        """
