"""Each number of a vision tower that two files say is compared at opening."""

import copy
import itertools

import pytest
from fake_package import Fake
from tests.forgeries import at, edit, read

from tyllm.package import open_package
from tyllm.package.vision_agreement import TOKENS
from tyllm_base.errors import PackageError

CONFIG = {
    "model_type": "toy",
    "image_token_id": 1,
    "video_token_id": 2,
    "vision_start_token_id": 3,
    "vision_end_token_id": 4,
    "vision_config": {"spatial_merge_size": 2, "patch_size": 14},
}
MANIFEST, TOWER = "manifest.json", "visual/buffer_config.json"


@pytest.fixture
def seeing(toy_library, tmp_path):
    folder = Fake(toy_library, dies=2, embedding_as_input=True, sees=True).write(tmp_path / "package")
    edit(folder, "config.json", **CONFIG)
    return folder


def test_a_package_that_agrees(seeing):
    package = open_package(seeing)
    assert package.visual and package.rope


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(TOKENS, 2)))
def test_two_roles_of_one_token(seeing, one, other):
    """In both files alike: a video would be taken for an image."""
    edit(seeing, "config.json", **{TOKENS[one]: CONFIG[TOKENS[other]]})
    visual = read(seeing / MANIFEST)["visual"]
    visual["tokens"][one] = visual["tokens"][other]
    edit(seeing, MANIFEST, visual=visual)
    with pytest.raises(PackageError, match=r"different tokens for images and videos is 3 in manifest.json"):
        open_package(seeing)


@pytest.mark.parametrize(
    ("file", "place", "value", "words"),
    [
        (MANIFEST, ("visual", "merge_size"), 1, "merge_size is 1 in manifest.json and 2 in config.json"),
        (MANIFEST, ("visual", "tokens_per_second"), 2.0, ""),
        (MANIFEST, ("visual", "tokens", "image"), 5, "image_token_id is 5 in manifest.json and 1 in config.json"),
        (MANIFEST, ("visual", "tokens", "end"), 2000, "vision_end_token_id is 2000"),
        (MANIFEST, ("visual", "sizes", 0, "grid"), [2, 4], "the grid of 28x28 is (2, 4) in manifest.json"),
        (MANIFEST, ("visual", "sizes", 0, "height"), 56, "the sizes of images is ['56x28'] in manifest.json"),
        (MANIFEST, ("visual", "sizes"), [], "$.visual.sizes"),
        (MANIFEST, ("visual", "dies"), 2, "visual/vit_die1.so"),
        (MANIFEST, ("visual", "die_order"), [0, 1], "visual.die_order"),
        (MANIFEST, ("visual",), None, "a vision tower is False in manifest.json"),
        (MANIFEST, ("rope",), None, "a vision tower is True in manifest.json and False in manifest.json, as rope,"),
        (MANIFEST, ("rope", 0, "programs", 0, "name"), "other", "contradicts itself"),
        (MANIFEST, ("rope", 1, "dies", 0, "programs", "compute_rope_param", "io", "rope_param", "shape"),
         [64, 4], "rope_param is ('float32', (64, 2, 4)) in manifest.json"),
        (MANIFEST, ("rope", 1, "dies", 0, "programs", "compute_rope_param", "io", "positions", "dtype"),
         "float32", "positions is ('int32', (3, 64))"),
        (MANIFEST, ("hidden_size",), 16, "hidden_size is 16 in manifest.json and 8 in buffer_config.json"),
        ("config.json", ("vision_config", "patch_size"), 7, "patch_size is 14 in preprocessor_config.json and 7"),
        ("config.json", ("vision_config", "spatial_merge_size"), 4, "merge_size is 2 in manifest.json and 4"),
        ("config.json", ("vision_config", "tokens_per_second"), 4, "tokens_per_second is None in manifest.json"),
        ("preprocessor_config.json", ("patch_size",), 28, "patch_size is 28 in preprocessor_config.json"),
        ("preprocessor_config.json", ("patch_size",), 10**9, "<= 1024"),
        ("preprocessor_config.json", ("merge_size",), 1, "merge_size is 2 in manifest.json and 1"),
        (TOWER, ("dies", 0, "programs", "28x28", "io", "patches", "shape"), [4, 1175], "patches of 28x28"),
        (TOWER, ("dies", 0, "programs", "28x28", "io", "embeddings", "dtype"), "float16", "embeddings of 28x28"),
        (TOWER, ("dies", 0, "programs", "28x28", "io", "embeddings", "offset"), 18880, "does not lie in the"),
        ("visual/aot_config.json", ("programs", 0, "outputs"), ["patches"], "inputs and outputs"),
        ("visual/aot_config.json", ("code",), "vit.so", "vit.so"),
        ("buffer_config.json", ("dies", 1, "programs", "8", "io", "rope_param", "shape"), [8, 2, 1], "rope_param"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_agree(seeing, file, place, value, words):
    raw = copy.deepcopy(read(seeing / file))
    at(raw, place[:-1])[place[-1]] = value
    edit(seeing, file, **raw)
    if not words:
        assert open_package(seeing).manifest.visual.tokens_per_second == value
        return
    with pytest.raises(PackageError) as refused:
        open_package(seeing)
    assert words in str(refused.value)
