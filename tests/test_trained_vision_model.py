"""The small trained vision-language model through the whole path: images to calibrate, INT4, dies, answers."""

import sys

import numpy as np
import pytest

from awq import AutoAWQForCausalLM
from tyllm.build_util import build_and_compile_vlm
from tyllm.runtime import Session

CONFIG = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
CASES = 60
DIES = ((1, 1), (3, 3), (4, 3))
"""Of the language model, and of the vision tower."""


@pytest.fixture(scope="module")
def checkpoint(repo):
    sys.path.insert(0, str(repo / "models"))
    sys.path.insert(0, str(repo / "scripts"))
    return repo / "models" / "tyllm-vl-4m"


@pytest.fixture(scope="module")
def int4(checkpoint, tmp_path_factory):
    """Quantized by rounding, the head too: the quickest, and the answers stay."""
    output = tmp_path_factory.mktemp("trained") / "int4"
    model = AutoAWQForCausalLM.from_pretrained(checkpoint, torch_dtype="float16")
    model.quantize(quant_config=CONFIG, method="rtn")
    model.save_quantized(output)
    return output


@pytest.fixture(scope="module")
def questions(checkpoint):
    from held_out_images import SIZES, cases

    return SIZES, list(cases(CASES))


@pytest.fixture(scope="module")
def expected(int4, questions):
    """What transformers answers in float32 on the quantized weights."""
    from image_accuracy import Checkpoint

    return Checkpoint(int4).answer(questions[1])


@pytest.fixture(scope="module", params=DIES, ids=lambda dies: "{}and{}dies".format(*dies))
def package(request, int4, questions, tmp_path_factory):
    dies, visual_dies = request.param
    folder = tmp_path_factory.mktemp("package")
    return build_and_compile_vlm(int4, folder, questions[0], 512, (1, 32), dies, visual_dies=visual_dies)


def right(questions, answers):
    return sum(case.question.answer == answer for case, answer in zip(questions, answers, strict=True))


def test_answers_about_images_and_films(package, questions, expected):
    with Session(package) as session:
        answers = [session.chat(case.messages, max_new_tokens=80).text for case in questions[1]]
    assert sum(a == b for a, b in zip(answers, expected, strict=True)) >= CASES - 1
    assert right(questions[1], answers) >= 0.8 * CASES


def test_logits_after_an_image(package, int4, questions):
    """int8 activations against transformers in float32 on the same weights."""
    import torch

    _, cases = questions
    case = next(case for case in cases if len(case.images) == 1)
    from image_accuracy import Checkpoint

    hugging_face = Checkpoint(int4)
    with torch.no_grad():
        reference = hugging_face.model(**hugging_face.batch([case])).logits[0, -1].numpy()
    with Session(package) as session:
        logits = session.logits(session.prompt_builder.of_chat(case.messages))
    cosine = float(logits @ reference / np.linalg.norm(logits) / np.linalg.norm(reference))
    assert cosine > 0.999


def test_the_tower_of_the_trained_model(package, checkpoint, questions):
    import torch
    from transformers import AutoModelForImageTextToText

    from tyllm.runtime.images import ImageSettings, fit_image

    visual = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).model.visual
    sizes, cases = questions
    settings = ImageSettings.read(package)
    with Session(package) as session:
        for case in [case for case in cases if case.images][:8]:
            fitted = fit_image(case.images[0], settings, sizes)
            patches = fitted.patches[0]
            with torch.no_grad():
                expected = visual(torch.from_numpy(patches), grid_thw=torch.tensor([fitted.grid])).pooler_output
            found = session.vision_tower.embeddings(fitted).ravel()
            expected = expected.numpy().ravel()
            assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 0.9995
