"""One model type tried: a tiny random model of it compiled for 1 and for 3 dies, and compared with transformers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.families.random_model import NoTinyModelError, context, cosine, logits, random_model, save, tokens
from tests.families.tiny_config import VOCABULARY
from transformers import PreTrainedModel

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from hf_checkpoint.vision_tower import find_tower
from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session
from tyllm_base.errors import InternalError, TyllmError

LENGTHS = (1, 8, 18, 37)
"""Tokens after which logits are compared: a single step, padded chunks, and chunks with single tokens behind."""
SEQ_LENS = [1, 16]
IMAGES = ((32, 32),)
"""Sizes, in pixels, that the tower of a vision-language model is compiled for."""
LEAST_COSINE = 0.9995
GENERATED = 8
RIGHT, WRONG, REFUSED, CRASH, UNTRIED = "right", "wrong", "refused", "crash", "untried"


@dataclass
class Outcome:
    """What came of a type.

    Attributes:
        model_type: as config.json names it.
        result: "right", "wrong", "refused", "crash" (an exception that is no refusal), or "untried": no tiny model.
        reason: the refusal's sentence, or the exception's.
        error: the exception's class.
        dies: the number of dies at which it was refused, wrong or crashed; 0 before any.
        architecture: as config.json names it.
        context: by how much an early token changes the last logits, as 1 − cosine.
        cosines: dies → cosine of the logits after each of `LENGTHS` tokens.
        texts: dies → the greedy continuation.
    """

    model_type: str
    result: str = UNTRIED
    reason: str = ""
    error: str = ""
    dies: int = 0
    architecture: str = ""
    context: float = 0.0
    cosines: dict[str, list[float]] = field(default_factory=dict)
    texts: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a dictionary of JSON's types."""
        return asdict(self)


def try_type(model_type: str, changes: Mapping[str, Any], dies: tuple[int, ...], method: str = "") -> Outcome:
    """Make, quantize if a method is given, compile and compare; never raises what a model can cause."""
    outcome = Outcome(model_type)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            model = random_model(model_type, changes)
            outcome.context = context(model)
            save(model, folder / "checkpoint")
            config = json.loads((folder / "checkpoint" / "config.json").read_text(encoding="utf-8"))
            outcome.architecture = (config.get("architectures") or [""])[0]
        except NoTinyModelError as error:
            outcome.reason = str(error)
            return outcome
        for count in dies:
            outcome.dies = count
            try:
                if method and count == dies[0]:
                    model = quantize(folder, method)
                compare(folder, model, count, outcome)
            except Exception as error:
                unforeseen = error.__cause__ if isinstance(error, InternalError) else error
                crash = unforeseen is not error or not isinstance(error, TyllmError)
                outcome.result = CRASH if crash else REFUSED
                outcome.error, outcome.reason = type(unforeseen).__name__, cleaned(str(unforeseen), folder)
                return outcome
            if outcome.result == WRONG:
                return outcome
    if len({tuple(text) for text in outcome.texts.values()}) > 1:
        outcome.result, outcome.reason = WRONG, f"the greedy text differs on {outcome.dies} dies"
        return outcome
    outcome.result, outcome.dies = RIGHT, 0
    return outcome


def quantize(folder: Path, method: str) -> PreTrainedModel:
    """Put the INT4 checkpoint in the place of the float one; transformers' model on the dequantized weights."""
    texts = np.random.default_rng(1).integers(10, VOCABULARY - 50, (8, 64)).tolist()
    model = AutoAWQForCausalLM.from_pretrained(folder / "checkpoint")
    settings = {"q_group_size": 32, "lm_head_enable": True}
    model.quantize(object(), settings, texts, method=method, quant_path=folder / "quantized")
    model.save_quantized(folder / "quantized")
    (folder / "checkpoint").rename(folder / "float")
    (folder / "quantized").rename(folder / "checkpoint")
    return load_dequantized(folder / "checkpoint").eval()


def compare(folder: Path, model: PreTrainedModel, dies: int, outcome: Outcome) -> None:
    """Compile for so many dies, and compare logits and the greedy text."""
    package = build_and_compile_llm(
        folder / "checkpoint", folder / f"package{dies}", max_kv_cache_size=64, seq_len_list=SEQ_LENS, dev_count=dies,
        activations="float16", batch_sizes=(), image_sizes=IMAGES if find_tower(model) else (),
    )  # fmt: skip
    ids = tokens()
    expected = logits(model, ids)
    with Session(package, threads=dies) as session:
        found = [session.logits(ids[:length]) for length in LENGTHS]
        text = session.generate(ids, max_new_tokens=GENERATED, eos_token_ids=()).token_ids
    cosines = [cosine(row, expected[length - 1]) for row, length in zip(found, LENGTHS, strict=True)]
    outcome.cosines[str(dies)] = [round(each, 6) for each in cosines]
    outcome.texts[str(dies)] = list(text)
    if not min(cosines) >= LEAST_COSINE:
        outcome.result = WRONG
        after = LENGTHS[int(np.argmin(cosines))]
        outcome.reason = f"cosine {min(cosines):.4f} after {after} tokens on {dies} dies"


def cleaned(sentence: str, folder: Path) -> str:
    """A refusal without the name of the folder of this run."""
    return sentence.replace(f"{folder}/", "").strip()[:600]
