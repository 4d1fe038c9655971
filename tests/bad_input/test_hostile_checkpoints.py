"""Whatever is in a checkpoint's files, opening and planning end soon: with a sentence, or because it works."""

import resource
import time

import pytest
from tests.hostile_checkpoints import hostile
from tests.tiny_checkpoint import copy_tiny, write_tiny

from awq import AutoAWQForCausalLM
from hf_checkpoint.auxiliary_files import auxiliary_files
from hf_checkpoint.checkpoint import Checkpoint
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm.llm.package_job import prepare
from tyllm_base.errors import TyllmError

SECONDS, MEMORY = 5, 1 << 30


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = write_tiny(tmp_path_factory.mktemp("good") / "model")
    (folder / "generation_config.json").write_text('{"eos_token_id": 1}')
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    return folder


def doors(folder, out):
    """Open it, plan a quantization and a compilation; the classes of the errors, None where there was none."""
    settings = LlmCompileSettings(
        folder, out, max_kv_cache_size=64, seq_lens=(1,), dies=1, embedding_as_input=False, activations="float16",
        kv_cache_dtype="float16", quantize=None, group_size=64, target="native", trust_remote_code=False,
        overwrite=False,
    )  # fmt: skip
    for door in (
        lambda: Checkpoint.open(folder),
        lambda: AutoAWQForCausalLM.from_pretrained(str(folder)),
        lambda: prepare(settings),
        lambda: auxiliary_files(folder),
    ):
        try:
            door()
            yield None
        except TyllmError as error:
            text = str(error)
            assert text.endswith(".") and len(text) < 1000, text
            assert text.isprintable(), text
            yield type(error)


def test_a_good_one_passes_all_doors(good, tmp_path):
    assert set(doors(good, tmp_path / "out")) == {None}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_a_changed_one_works_or_is_refused(good, tmp_path, count):
    refused = 0
    for name, change in hostile(count, seed=12):
        folder = copy_tiny(good, tmp_path / name.replace(" ", "-"))
        change(folder)
        started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            refused += set(doors(folder, tmp_path / "out")) != {None}
        except BaseException as error:
            raise AssertionError(f"{name} ends in {error!r:.300}") from error
        assert time.process_time() - started < SECONDS, name
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY, name
    assert count / 2 < refused < count
