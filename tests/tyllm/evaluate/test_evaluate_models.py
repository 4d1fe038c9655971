"""Evaluations are what transformers computes directly, for every kind of model; what cannot be compared is refused."""

import math
import shutil

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric import ec
from tests.forgeries import edit
from tests.tiny_checkpoint import write_tiny
from tests.tyllm.evaluate.conftest import CACHE

from awq.stream.dequantize import load_dequantized
from tyllm.evaluate import evaluate
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.signing import sign_package
from tyllm.signing.key_files import public_pem, unencrypted
from tyllm_base.errors import CheckpointError, PackageError, SettingError

WINDOW = 32


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "text"
    file.write_text("The quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 3)
    return file


@torch.no_grad()
def direct(folder, reference, text, window=WINDOW, count=None):
    """Log-probabilities of both models and the tokens that came, by transformers alone."""
    tokens = Tokenizer(reference).encode(text.read_text())[:count]
    windows = torch.tensor(tokens[: len(tokens) // window * window]).reshape(-1, window)
    ours, theirs = (
        load_dequantized(each)(windows).logits[:, :-1].flatten(0, 1).double().log_softmax(-1)
        for each in (folder, reference)
    )
    return ours.numpy(), theirs.numpy(), windows[:, 1:].flatten().numpy()


def expected(ours, theirs, came):
    rows = np.arange(len(came))
    divergence = (np.exp(theirs) * (theirs - ours)).sum(1)
    right, was_right = ours.argmax(1) == came, theirs.argmax(1) == came
    return {
        "tokens": len(came),
        "perplexity": math.exp(-ours[rows, came].mean()),
        "reference": math.exp(-theirs[rows, came].mean()),
        "accuracy": right.mean(),
        "divergence": divergence.mean(),
        "divergence_99": np.quantile(divergence, 0.99),
        "divergence_max": divergence.max(),
        "agreement": (ours.argmax(1) == theirs.argmax(1)).mean(),
        "lost": (was_right & ~right).sum(),
        "gained": (right & ~was_right).sum(),
    }


def found(evaluation):
    close = evaluation.closeness
    return {
        "tokens": evaluation.tokens,
        "perplexity": evaluation.quality.perplexity.value,
        "reference": evaluation.reference.perplexity.value,
        "accuracy": evaluation.quality.accuracy.value,
        "divergence": close.divergence.value,
        "divergence_99": close.divergence_99,
        "divergence_max": close.divergence_max,
        "agreement": close.agreement.value,
        "lost": close.lost,
        "gained": close.gained,
    }


def test_a_quantized_folder_against_the_float_one(int4, tiny, text):
    result = evaluate(int4, tiny, text=text, window=WINDOW)
    wanted = expected(*direct(int4, tiny, text))
    assert found(result) == pytest.approx(wanted, rel=2e-3)
    assert wanted["divergence"] > 1e-4
    assert result.closeness.perplexity_ratio.value == pytest.approx(
        wanted["perplexity"] / wanted["reference"], rel=1e-4
    )


def test_a_package_against_the_float_folder(package, int4, tiny, text):
    result = evaluate(package, tiny, text=text, window=WINDOW, threads=2)
    assert found(result) == pytest.approx(expected(*direct(int4, tiny, text)), rel=2e-2)


def test_a_package_against_the_folder_that_it_was_compiled_from(package, int4, text):
    close = evaluate(package, int4, text=text, window=WINDOW, threads=2).closeness
    assert close.divergence_max < 1e-5
    assert close.agreement.value == 1


@pytest.mark.parametrize("kind", ["tiny", "int4", "package"])
def test_a_model_against_itself(kind, text, request):
    folder = request.getfixturevalue(kind)
    result = evaluate(folder, folder, text=text, window=WINDOW)
    assert (result.closeness.divergence_max, result.closeness.agreement.value) == (0, 1)
    assert (result.closeness.lost, result.closeness.gained) == (0, 0)
    assert result.quality == result.reference


def test_the_trained_model_on_the_bundled_text(trained, repo):
    result = evaluate(trained, window=128, max_tokens=1030)
    assert (result.tokens, result.window, result.windows) == (8 * 127, 128, 8)
    ours, _, came = direct(trained, trained, repo / "models" / "heldout.txt", 128, 1030)
    wanted = math.exp(-ours[np.arange(8 * 127), came].mean())
    assert result.quality.perplexity.value == pytest.approx(wanted, rel=1e-4)
    assert result.quality.perplexity.low < wanted < result.quality.perplexity.high
    assert result.closeness is None and result.reference is None


def test_windows_fit_the_models_where_none_is_given(package, tiny, text):
    assert evaluate(package, text=text, threads=1).window == CACHE
    assert evaluate(tiny, text=text).window == 128  # max_position_embeddings of the tiny checkpoint
    assert evaluate(tiny, text=text, max_tokens=20).window == 20


def test_progress_ends_at_the_total(package, int4, text):
    steps = []
    evaluate(package, int4, text=text, window=WINDOW, threads=1, progress=lambda *step: steps.append(step))
    done, totals, whats = zip(*steps, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]} and done[-1] % WINDOW == 0
    assert "tokens, reference: layer 1 of 2" in whats
    assert any(what.startswith("tokens, model: window 1 of ") for what in whats)


def refused(error, said, *models, **options):
    with pytest.raises(error, match=said):
        evaluate(*models, **options)


def test_a_checkpoint_has_no_signer(package, tiny, text):
    refused(PackageError, "float16 is no package, and only those are signed", tiny, package, text=text, signer="pem")


def test_a_signer_is_demanded_of_packages(package, tiny, text, tmp_path):
    """The reference may be a checkpoint, which is data."""
    own, private = tmp_path / "own", ec.generate_private_key(ec.SECP256R1())
    shutil.copytree(package, own)
    (tmp_path / "key.pem").write_bytes(unencrypted(private))
    public = tmp_path / "public.pem"
    public.write_bytes(public_pem(private.public_key()))
    options = {"text": text, "max_tokens": 8, "signer": public}
    refused(PackageError, "own is not signed", own, tiny, **options)
    sign_package(own, tmp_path / "key.pem")
    assert evaluate(own, tiny, **options).tokens == 7
    refused(PackageError, "package is not signed", own, package, **options)


def test_windows_that_do_not_fit(package, tiny, text):
    refused(SettingError, "65 tokens is more than the 64 that .*package holds", package, text=text, window=65)
    refused(SettingError, "129 tokens is more than the 128 that .*float16 holds", tiny, text=text, window=129)
    refused(SettingError, "give max_tokens 2 or more", tiny, text=text, max_tokens=1)


def test_models_that_cannot_be_compared(tiny, trained, text, tmp_path):
    refused(SettingError, "has 320 tokens and .* has 4096", tiny, trained, text=text)
    other = write_tiny(tmp_path / "other")
    shutil.copy(trained / "tokenizer.json", other)
    refused(SettingError, "split the text into different tokens", tiny, other, text=text)
    refused(SettingError, "its tokenizer belongs to another model", other, text=text)


def test_models_that_are_none(tiny, package, text, tmp_path):
    refused(CheckpointError, "give a Hugging Face model folder or a compiled package", tmp_path / "none", text=text)
    copy = shutil.copytree(package, tmp_path / "copy")
    edit(copy, "manifest.json", format_version=99)
    refused(PackageError, "version", copy, text=text)


def test_a_text_of_one_token(tiny, tmp_path):
    (tmp_path / "text").write_text("")
    refused(SettingError, "a prediction needs 2", tiny, text=tmp_path / "text")
