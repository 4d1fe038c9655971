"""A vision-language checkpoint becomes the manual's tree; its parts compute what Hugging Face's model computes."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_vision_language import tiny_vision_language, write_tiny_vision_language
from transformers import AutoModelForImageTextToText

from tyllm.build_util import build_and_compile_llm, build_and_compile_vlm
from tyllm.package import Params, open_package
from tyllm.package.step_shape import StepShape
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.execute.module import CompiledModule
from tyllm_base.errors import CheckpointError, SettingError

SIZES = ((112, 168), (84, 140))  # the second has windows of several sizes
CACHE = 64


CASES = (
    ("qwen2_5_vl", 1, 1),
    ("qwen2_5_vl", 4, 3),
    ("qwen2_5_vl", 3, 4),
    ("qwen2_vl", 2, 3),
)
LONG = CASES[2:]


@pytest.fixture(
    scope="module",
    params=[pytest.param(case, marks=pytest.mark.long) if case in LONG else case for case in CASES],
    ids=lambda case: "{}-{}and{}dies".format(*case),
)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def checkpoint(case, tmp_path_factory):
    return write_tiny_vision_language(tmp_path_factory.mktemp("model") / case[0], case[0])


@pytest.fixture(scope="module")
def package(case, checkpoint, tmp_path_factory):
    _, dies, visual_dies = case
    folder = tmp_path_factory.mktemp("package")
    return build_and_compile_vlm(
        checkpoint, folder, SIZES, CACHE, (1, 8), dies, visual_dies=visual_dies, activations="float16"
    )


@pytest.fixture(scope="module")
def model(checkpoint):
    return AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).eval()


def cosine(left, right):
    left, right = (np.asarray(each, np.float64).ravel() for each in (left, right))
    return left @ right / np.linalg.norm(left) / np.linalg.norm(right)


def test_the_tree_is_the_manuals(package):
    opened = open_package(package)
    dies, visual = opened.manifest.dies, opened.manifest.visual.dies
    decoder = {
        f"batch_1/seqlen_{s}/llm_die{d}.{suffix}" for s, d, suffix in product((1, 8), range(dies), ("so", "params"))
    }
    manual = {
        *decoder,
        *(f"batch_1/common_die{d}.params" for d in range(dies)),
        *("buffer_config.json", "config.json", "embedding.params", "empty.bin"),
        *("compute_rope_param.so", "compute_rope_param.params", "rope_param.params"),
        *("visual/aot_config.json", "visual/buffer_config.json"),
        *(f"visual/vit_die{d}.so" for d in range(visual)),
        *(f"visual/constant_die{d}.params" for d in range(visual)),
    }
    ours = {"manifest.json", "program.json", "preprocessor_config.json", "generation_config.json"}
    found = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert found == manual | ours
    assert package.name == f"{dies}die"


def test_the_tower_sees_what_transformers_sees(package, model):
    opened = open_package(package)
    torch.manual_seed(1)
    with CompiledModule(package / "visual", opened.visual, 2, order=opened.manifest.visual.die_order) as tower:
        for size in opened.manifest.visual.sizes:
            h, w = size.grid
            patches = torch.randn(h * w, 1176)
            with torch.no_grad():
                expected = model.model.visual(patches, grid_thw=torch.tensor([[1, h, w]])).pooler_output
            found = tower(size.name, {"patches": patches.numpy()})["embeddings"]
            assert found.shape == expected.shape
            assert cosine(found, expected) > 0.9998
            again = tower(size.name, {"patches": patches.numpy()})["embeddings"]
            np.testing.assert_array_equal(found, again)


def test_positions_become_the_rotary_table(package, model):
    opened = open_package(package)
    positions = np.random.default_rng(0).integers(0, 5000, (3, CACHE)).astype(np.int32)
    cos, sin = model.model.language_model.rotary_emb(torch.empty(0), torch.from_numpy(positions).unsqueeze(1))
    expected = torch.stack([cos[0], sin[0]], 1).chunk(2, -1)[0].numpy()
    with CompiledModule(package, opened.rope, 1) as rope:
        found = rope("compute_rope_param", {"positions": positions})["rope_param"]
        text = rope("compute_rope_param", {"positions": np.tile(np.arange(CACHE, dtype=np.int32), (3, 1))})
    np.testing.assert_allclose(found, expected, atol=2e-5)
    table = Params(package / "rope_param.params").tensors["rope_param"]
    np.testing.assert_allclose(table, text["rope_param"], atol=2e-5)


def test_the_decoder_takes_embeddings_and_rotary_rows(package, model):
    """Positions of an image's kind, in two chunks, against transformers in one go."""
    opened, count = open_package(package), 12
    torch.manual_seed(2)
    embeddings = torch.randn(1, count, 128)
    positions = torch.sort(torch.randint(0, 9, (3, 1, count)), -1).values
    with torch.no_grad():
        hidden = model.model.language_model(inputs_embeds=embeddings, position_ids=positions).last_hidden_state
        expected = model.lm_head(hidden[0, -1])
    cos, sin = model.model.language_model.rotary_emb(embeddings, positions)
    table = torch.stack([cos[0], sin[0]], 1).chunk(2, -1)[0].numpy()
    engine = Engine(opened, 1, 1)
    for start, used, seq_len in ((0, 8, 8), (8, 4, 8)):
        for io in engine.io_views(StepShape(1, seq_len)):
            io["embeddings"][...] = 0
            io["embeddings"][0, :used] = embeddings[0, start : start + used]
            io["rope_param"][:used] = table[start : start + used]
            io["position"][0], io["row"][0], io["logit_count"][0] = start, used - 1, 1
        engine.step(StepShape(1, seq_len), 0)
    logits = np.concatenate([io["logits"][0, 0] for io in engine.io_views(StepShape(1, 8))])
    engine.close()
    assert cosine(logits, expected) > 0.99999


def test_the_manifest_says_what_the_tower_is(package, checkpoint):
    visual = open_package(package).manifest.visual
    config = json.loads((checkpoint / "config.json").read_text())
    assert [(size.height, size.width) for size in visual.sizes] == list(SIZES)
    assert [size.grid for size in visual.sizes] == [(8, 12), (6, 10)]
    assert (visual.merge_size, visual.tokens["image"]) == (2, 320)
    assert visual.tokens_per_second == config["vision_config"].get("tokens_per_second")


def test_the_order_of_dies_is_recorded(tmp_path):
    checkpoint = write_tiny_vision_language(tmp_path / "model")
    options = {"visual_dies": 3, "die_order": [1, 0], "visual_die_order": [3, 2, 1]}
    manifest = open_package(build_and_compile_vlm(checkpoint, tmp_path, SIZES[:1], CACHE, (8,), 2, **options)).manifest
    assert (manifest.die_order, manifest.visual.die_order) == ((1, 0), (3, 2, 1))


def test_the_default_place_and_size(tmp_path):
    checkpoint = write_tiny_vision_language(tmp_path / "model")
    package = build_and_compile_vlm(checkpoint, image_sizes=[(84, 140)], max_kv_cache_size=CACHE, seq_len_list=[8])
    assert package == tmp_path / "model-AOT_140x84_64" / "1die"
    with pytest.raises(SettingError, match="An image of 540x960 is 646 tokens, and the cache holds 64"):
        build_and_compile_llm(checkpoint, tmp_path / "out", CACHE, (8,))


def test_a_tied_head(tmp_path):
    checkpoint = write_tiny_vision_language(tmp_path / "model", tied=True)
    opened = open_package(build_and_compile_vlm(checkpoint, tmp_path, SIZES[1:], CACHE, (8,), activations="float16"))
    table = Params(opened.folder / "embedding.params").tensors["embedding"]
    expected = tiny_vision_language(tied=True).get_input_embeddings().weight.detach().half().numpy()
    np.testing.assert_array_equal(table, expected)


@pytest.fixture
def no_work(monkeypatch):
    """What is refused is refused before the minutes of work."""
    monkeypatch.setattr("tyllm.llm.compiler._build", lambda *_: pytest.fail("the work began"))


@pytest.mark.usefixtures("no_work")
def test_no_preprocessor(tmp_path):
    checkpoint = write_tiny_vision_language(tmp_path / "model")
    (checkpoint / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json, without which no image"):
        build_and_compile_vlm(checkpoint, tmp_path / "out", SIZES[1:], CACHE, (8,))
    assert not Path(tmp_path / "out" / "1die").exists()


@pytest.mark.parametrize("content", ["[" * 10_000, '{"image_processor": 5}', '{"a": 1, "a": 2}', "\ufeff{}", "[]"])
@pytest.mark.usefixtures("no_work")
def test_a_processor_that_is_none(tmp_path, content):
    checkpoint = write_tiny_vision_language(tmp_path / "model")
    (checkpoint / "preprocessor_config.json").unlink()
    (checkpoint / "processor_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"processor_config\.json"):
        build_and_compile_vlm(checkpoint, tmp_path / "out", SIZES[1:], CACHE, (8,))


def test_sizes_for_a_text_model(tmp_path):
    from tests.tiny_checkpoint import write_tiny

    with pytest.raises(SettingError, match=r"is a text model \(qwen2\) and sees no images; leave out image_sizes"):
        build_and_compile_vlm(write_tiny(tmp_path / "text"), tmp_path / "out", SIZES, CACHE)
