"""Calibration samples with images among the tokens: conversations joined and cut to one length.

All samples have one length, since they go through a layer together. Each begins with a conversation, others follow
until it is full, and the last of them is cut, be it within an image: a decoder looks back only, so what stands before
the cut is computed as in the whole conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from awq.calibration.conversations import images_in
from awq.calibration.image import CalibrationImage, ImageProcessor
from awq.calibration.source import Document
from awq.calibration.tokens import check_tokens, encode
from awq.stream.meta_model import MetaModel
from hf_checkpoint.vision_tower import vision_tokens
from tyllm_base.errors import CalibrationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHARE = 2  # an image takes one of so many parts of a sample at most, so that there is room for what is said of it


@dataclass(frozen=True)
class ImageSamples:
    """Calibration samples, n of T tokens, with images.

    Attributes:
        tokens: int64 [n, T]; in the places of an image stands the model's token for it.
        rows: int64 [n, T]: which row of the images' embeddings stands there; −1 for a token's own.
        positions: int64 [3, n, T]: M-RoPE's, in time, down and across.
        images: those whose embeddings the rows are, in order.
        processor: cuts them into patches.
    """

    tokens: torch.Tensor
    rows: torch.Tensor
    positions: torch.Tensor
    images: tuple[CalibrationImage, ...]
    processor: ImageProcessor

    @property
    def embeddings(self) -> int:
        """The number of tokens that the images become."""
        return sum(image.patches for image in self.images) // self.processor.merged

    @property
    def digest(self) -> str:
        """Of all that decides the embeddings and where they stand, beside the tokens."""
        limits = (self.processor.least, self.processor.most)
        return repr((limits, [(image.digest, image.grid) for image in self.images], self.rows.tolist()))


@dataclass
class _Sample:
    """A conversation, or several behind each other: tokens, and the images whose places are among them."""

    tokens: list[int] = field(default_factory=list)
    images: list[CalibrationImage] = field(default_factory=list)

    def append(self, other: _Sample) -> None:
        self.tokens += other.tokens
        self.images += other.images


def image_samples(
    documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase, model: MetaModel, count: int, length: int
) -> ImageSamples:
    """At most `count` samples of `length` tokens, spread evenly over `documents`, some of which have images.

    An image takes half a sample at most; a larger one is reduced first.

    Args:
        documents: conversations, texts among them.
        tokenizer: Hugging Face's, with a chat template.
        model: a vision-language model.
        count: samples wanted.
        length: tokens in a sample; with fewer tokens in all there is one shorter sample.

    Raises:
        CalibrationError: an image cannot be read, or its places in the text do not match; tokens the model lacks.
    """
    assert model.tower is not None  # the caller has looked
    if not getattr(tokenizer, "chat_template", None):
        raise CalibrationError("Images for calibration need a tokenizer with a chat template; pass the model's own.")
    processor = ImageProcessor.of(model.checkpoint.path, model.tower, length // SHARE)
    token = vision_tokens(model.module.config)["image"]
    encoded = [
        _encoded(document, tokenizer, processor, token, f"Conversation {number}")
        for number, document in enumerate(documents, 1)
    ]
    filled = list(_filled(encoded, length))
    count = min(count, len(filled))
    chosen = [filled[index * len(filled) // count] for index in range(count)]
    check_tokens([each for sample in chosen for each in sample.tokens], None, model.vocabulary)
    return _joined(chosen, min(length, *(len(sample.tokens) for sample in chosen)), model, processor, token)


def _encoded(
    document: Document, tokenizer: PreTrainedTokenizerBase, processor: ImageProcessor, token: int, place: str
) -> _Sample:
    """A document's tokens, the placeholder of each image repeated as often as it has embeddings."""
    sources = images_in(document)
    images = [processor.image(each, f"Image {number} of {place}") for number, each in enumerate(sources, 1)]
    tokens, left = [], iter(images)
    found = encode(document, tokenizer)
    if found.count(token) != len(images):
        raise CalibrationError(
            f"{place} has images: {len(images)}, and placeholders for them once the chat template is applied: "
            f"{found.count(token)}; leave placeholders out of the text, and use the model's own chat template."
        )
    for each in found:
        tokens += [each] * (next(left).patches // processor.merged if each == token else 1)
    return _Sample(tokens, images)


def _filled(encoded: Sequence[_Sample], length: int) -> Iterator[_Sample]:
    """Conversations joined until there are `length` tokens; what is left at the end counts only if it is all."""
    sample, full = _Sample(), False
    for each in encoded:
        sample.append(each)
        if len(sample.tokens) >= length:
            yield sample
            sample, full = _Sample(), True
    if not full:
        yield sample


def _joined(
    samples: Sequence[_Sample], length: int, model: MetaModel, processor: ImageProcessor, token: int
) -> ImageSamples:
    """The samples cut to `length`."""
    tokens, rows, positions, images = [], [], [], []
    first = 0
    for sample in samples:
        ids = torch.tensor(sample.tokens)
        here = ids == token
        tokens.append(ids[:length])
        rows.append(torch.where(here, first + here.cumsum(0) - 1, -1)[:length])
        positions.append(_positions(ids, here, sample.images, model)[:, :length])
        images += sample.images
        first += int(here.sum())
    return ImageSamples(torch.stack(tokens), torch.stack(rows), torch.stack(positions, 1), tuple(images), processor)


def _positions(ids: torch.Tensor, here: torch.Tensor, images: list[CalibrationImage], model: MetaModel) -> torch.Tensor:
    """M-RoPE's positions of a sample, [3, tokens], by Hugging Face's own code."""
    grids = torch.tensor([image.grid for image in images]) if images else None
    found, _ = model.base.get_rope_index(input_ids=ids[None], mm_token_type_ids=here[None].int(), image_grid_thw=grids)
    positions: torch.Tensor = found[:, 0]
    return positions
