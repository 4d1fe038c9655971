"""What bad input gets: each row is a mistake, the command that meets it, its exit code and its sentence on stderr.

In a sentence, {checkpoint}, {output} and {package} are the folders, and … is what differs from machine to machine.
"""

import io
import json
import re
import shutil
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from tests.full_disk import small_disk
from tests.tiny_checkpoint import FILE, copy_tiny, edit_json, edit_tensor, quantize_by_rounding, shard, write_tiny
from tests.tiny_vision_language import write_tiny_vision_language
from tests.vision_tokenizer import write_vision_tokenizer

from tyllm.cli import main

INDEX = "model.safetensors.index.json"
NORM, UP, TABLE = "model.norm.weight", "model.layers.0.mlp.up_proj", "model.embed_tokens.weight"
OTHER_MODEL = "the config and the weights belong to different models."
CANNOT_BUILD = "transformers cannot build … as a causal language model (…); correct config.json or give another model."
COMPILE = ("compile", "{checkpoint}", "{output}", "--max-kv-cache-size", "64")
QUANTIZE = ("quantize", "{checkpoint}", "{output}", "--method", "rtn", "--group-size", "32")
RUN = ("run", "{package}", "Hello", "--max-new-tokens", "2")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    sentence: str


@pytest.fixture(autouse=True)
def quiet(tmp_path_factory, monkeypatch):
    """Other libraries keep stderr for us, as in a process of the command's own; hashes stay out of the user's cache."""
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")
    monkeypatch.setattr("tyllm.cli.progress_bar.LINE_EVERY_S", 3600.0)  # a busy machine would print how far it is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    if "transformers" in sys.modules:
        sys.modules["transformers"].logging.set_verbosity_error()


@pytest.fixture
def tyllm(capfd):
    """`tyllm(arguments)`: run a command that fails with one sentence on stderr."""

    def call(arguments):
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        error = capfd.readouterr().err
        assert error.startswith("tyllm: ") and error.count("\n") == 1, error
        assert "Traceback" not in error
        return Ended(code, error.removeprefix("tyllm: ").removesuffix("\n"))

    return call


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Checkpoints that are copied and broken: float16, and INT4 made of it."""
    folder = tmp_path_factory.mktemp("good")
    write_tiny(folder / "float16")
    quantize_by_rounding(folder / "float16", folder / "int4")
    return folder


@pytest.fixture(scope="session")
def package(checkpoints):
    """A package that works."""
    assert (
        main(["compile", str(checkpoints / "float16"), str(checkpoints / "package"), "--max-kv-cache-size", "64"]) == 0
    )
    return checkpoints / "package"


def agrees(ended, code, sentence, **folders):
    """Whether a command ended as a row says."""
    for name, folder in folders.items():
        sentence = sentence.replace(f"{{{name}}}", str(folder))
    pattern = ".*".join(re.escape(part) for part in sentence.split("…"))
    assert re.fullmatch(pattern, ended.sentence), ended.sentence
    assert ended.code == code


def fill(arguments, **folders):
    return [argument.format(**folders) for argument in arguments]


# Ways to break a checkpoint


def config(**changes):
    return lambda folder: edit_json(folder / "config.json", **changes)


def tensor(name, change):
    return lambda folder: edit_tensor(folder, name, change)


def with_value(value, dtype=np.float16):
    """One value of a weight, in another type if need be."""

    def change(array):
        array = array.astype(dtype)
        array.flat[5] = value
        return array

    return change


def quantization(**changes):
    def change(folder):
        found = json.loads((folder / "config.json").read_text())["quantization_config"]
        edit_json(folder / "config.json", quantization_config=found | changes)

    return change


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def text_as_config(folder):
    (folder / "config.json").write_text("{")


def no_weights(folder):
    (folder / FILE).unlink()


def truncated(folder):
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[:-100])


def missing_shard(folder):
    (folder / shard(folder)[1]).unlink()


def truncated_shard(folder):
    path = folder / shard(folder)[1]
    path.write_bytes(path.read_bytes()[:-100])


def extra_shard(folder):
    shutil.copyfile(folder / shard(folder)[0], folder / "model-00099-of-00099.safetensors")


def missing_index(folder):
    shard(folder)
    (folder / INDEX).unlink()


def index_outside(folder):
    shard(folder)
    names = json.loads((folder / INDEX).read_text())["weight_map"]
    edit_json(folder / INDEX, weight_map=names | {NORM: "../secret.safetensors"})


# The mistakes in a checkpoint, which `compile` and `quantize` both meet: breaking, exit code, sentence

CHECKPOINTS = {
    "a folder that is no checkpoint": (
        empty, 3, "{checkpoint}/config.json is missing; give the folder of a complete Hugging Face checkpoint."),
    "no folder": (shutil.rmtree, 3, "{checkpoint} is not a folder; give the folder that holds config.json."),
    "a config that is no JSON": (
        text_as_config, 3, "{checkpoint}/config.json is not valid JSON (…); download it again."),
    "no weights": (
        no_weights, 3,
        f"{{checkpoint}} has neither {FILE} nor {INDEX}; convert other weight files to safetensors first."),
    "a truncated file": (
        truncated, 3, f"{{checkpoint}}/{FILE} is truncated: … bytes instead of …; download it again."),
    "a missing shard": (
        missing_shard, 3, f"{{checkpoint}} lacks the shard model-00002-of-…, which {INDEX} names; download it."),
    "a truncated shard": (
        truncated_shard, 3, "{checkpoint}/model-00002-of-… is truncated: … bytes instead of …; download it again."),
    "an extra shard": (
        extra_shard, 3,
        f"{{checkpoint}} has the extra shard model-00099-of-00099.safetensors, which {INDEX} does not name; "
        "remove it or download the checkpoint again."),
    "a missing index": (
        missing_index, 3, f"{{checkpoint}} has safetensors shards but no {INDEX}; download the index too."),
    "an index that points outside": (
        index_outside, 3,
        f"{{checkpoint}}/{INDEX} puts {NORM} into '../secret.safetensors', which is no file of this folder; "
        "download the index again."),
    "a missing tensor": (
        tensor(NORM, lambda _: None), 3,
        f"{{checkpoint}} has no tensor {NORM}, which its config.json calls for; download the checkpoint again."),
    "an extra tensor": (
        tensor("extra", lambda _: np.zeros(1, np.float16)), 3,
        f"{{checkpoint}} has the tensor extra, for which config.json has no place; {OTHER_MODEL}"),
    "a tensor of the wrong shape": (
        tensor(NORM, lambda array: array[:64]), 3,
        f"{NORM} has shape [64] where config.json calls for [128]; {OTHER_MODEL}"),
    "a tensor of the wrong type": (tensor(NORM, lambda array: array.astype(np.int64)), 3, f"{NORM} has …type I64…."),
    "NaN in a linear layer": (
        tensor(f"{UP}.weight", with_value(np.nan)), 3, f"{UP}.weight holds NaN…; the checkpoint is damaged, …."),
    "an infinity in a norm": (tensor(NORM, with_value(np.inf)), 3, f"{NORM} holds …infinite value…damaged, …."),
    "a value beyond float16": (
        tensor(f"{UP}.weight", with_value(1e6, np.float32)), 3, f"{UP}.weight holds 1e+06, …65504; …."),
    "a config of another width": (
        config(hidden_size=256), 3, f"… has shape […] where config.json calls for […]; {OTHER_MODEL}"),
    "a config of more layers": (
        config(num_hidden_layers=3), 3,
        "{checkpoint} has no tensor model.layers.2.…, which its config.json calls for; download the checkpoint again."),
    "a config of fewer layers": (
        config(num_hidden_layers=1), 3,
        f"{{checkpoint}} has the tensor model.layers.1.…, for which config.json has no place; {OTHER_MODEL}"),
    "a config of another vocabulary": (
        config(vocab_size=400), 3,
        f"{TABLE} has shape [320, 128] where config.json calls for [400, 128]; {OTHER_MODEL}"),
    "a config that unties the head": (
        config(tie_word_embeddings=False), 3,
        "{checkpoint} has no tensor lm_head.weight, which its config.json calls for; download the checkpoint again."),
    "a config with heads that do not divide": (
        config(num_attention_heads=3), 3, f"… has shape […] where config.json calls for […]; {OTHER_MODEL}"),
    "a config with no width": (config(hidden_size=-128), 5, CANNOT_BUILD),
    "a config with words for numbers": (config(hidden_size="wide"), 5, CANNOT_BUILD),
    "a model that nobody knows": (config(model_type="mystery"), 5, CANNOT_BUILD),
    "a config that asks for code of its own": (
        config(auto_map={"AutoModelForCausalLM": "modeling.Own"}), 3,
        "{checkpoint}/config.json asks to run Python code of its own (auto_map); "
        "read that code and pass trust_remote_code=True if you trust it."),
}  # fmt: skip


@pytest.mark.parametrize("command", [COMPILE, QUANTIZE], ids=lambda command: command[0])
@pytest.mark.parametrize("mistake", CHECKPOINTS)
def test_a_wrong_checkpoint(tyllm, checkpoints, tmp_path, command, mistake):
    breaking, code, sentence = CHECKPOINTS[mistake]
    folders = {"checkpoint": copy_tiny(checkpoints / "float16", tmp_path / "model"), "output": tmp_path / "out" / "new"}
    breaking(folders["checkpoint"])
    agrees(tyllm(fill(command, **folders)), code, sentence, **folders)
    assert not folders["output"].exists()
    if command is COMPILE:  # `quantize` may leave its finished layers in OUTPUT.partial, to go on from
        assert [path.name for path in tmp_path.rglob("*.tmp")] == []


# The mistakes in a quantized checkpoint

QUANTIZED = {
    "another format": (
        quantization(quant_method="gptq"), 5,
        "The checkpoint is quantized as gptq with 4 bits; only awq gemm with 4 bits and compressed-tensors "
        "pack-quantized can be compiled: quantize the float checkpoint with `tyllm quantize`."),
    "another packing": (
        quantization(version="gemv"), 5, "The checkpoint is quantized as awq gemv with 4 bits; only …."),
    "other bits": (quantization(bits=8), 5, "The checkpoint is quantized as awq gemm with 8 bits; only …."),
    "a group size that does not divide": (
        quantization(group_size=48), 3,
        f"config.json says groups of 48, and … has groups of 32; {OTHER_MODEL}"),
    "a group size that is none": (
        quantization(group_size=0), 3,
        "config.json says group_size 0, which is no group size; download or quantize the model again."),
    "another group size than the weights have": (
        quantization(group_size=64), 3,
        f"config.json says groups of 64, and … has groups of 32; {OTHER_MODEL}"),
    "codes of the wrong type": (
        tensor(f"{UP}.qweight", lambda array: array.astype(np.int64)), 3,
        f"{UP}.qweight is I64 … where the tensors beside it call for I32 …; quantize the model again."),
    "a missing part": (
        tensor(f"{UP}.scales", lambda _: None), 3,
        f"{{checkpoint}} has no tensor {UP}.scales, which its config.json calls for; download the checkpoint again."),
    "NaN in the scales": (
        tensor(f"{UP}.scales", with_value(np.nan)), 3,
        f"A scale of {UP}.weight is NaN or infinite; the checkpoint is damaged, download or convert it again."),
    "no config for the codes": (
        config(quantization_config=None), 3, "{checkpoint} has no tensor …, which its config.json calls for; …."),
}  # fmt: skip


@pytest.mark.parametrize("mistake", QUANTIZED)
def test_a_wrong_quantized_checkpoint(tyllm, checkpoints, tmp_path, mistake):
    breaking, code, sentence = QUANTIZED[mistake]
    folders = {"checkpoint": copy_tiny(checkpoints / "int4", tmp_path / "model"), "output": tmp_path / "out" / "new"}
    breaking(folders["checkpoint"])
    agrees(tyllm(fill(COMPILE, **folders)), code, sentence, **folders)
    assert not folders["output"].exists() and not list(tmp_path.rglob("*.tmp"))


# Settings that cannot work: command, arguments, exit code, sentence

SETTINGS = [
    (COMPILE, "--dies 5", 4, "dev_count (--dies) is 5; use one of 1, 2, 3, 4, 8."),
    (COMPILE, "--dies 8", 4,
     "4 query heads in 2 key/value groups do not split over 8 dies; use at most 4 dies."),
    (COMPILE, "--seq-lens 0", 4, "A length of seq_len_list (--seq-lens) is 0; give a whole number of at least 1."),
    (COMPILE, "--seq-lens 1,-8", 4, "A length of seq_len_list (--seq-lens) is -8; give a whole number of at least 1."),
    (COMPILE, "--seq-lens 1,65", 4,
     "seq_len_list (--seq-lens) has 65, which is larger than the cache of 64 tokens; "
     "give a shorter one or raise max_kv_cache_size."),
    (COMPILE, "--seq-lens 8,8", 4, "seq_len_list (--seq-lens) [8, 8] names a length twice; give each once."),
    (COMPILE, "--seq-lens one", 2, "…'one' is not a list of whole numbers such as 1,8. Try …."),
    (COMPILE, "--max-kv-cache-size 0", 4, "max_kv_cache_size is 0; give a whole number of at least 1."),
    (COMPILE, "--quantize rtn --group-size 48", 4, "group_size is 48; give a multiple of 32, such as 128."),
    (COMPILE, "--quantize rtn --group-size 128", 4,
     "The group size 128 does not divide the 192 inputs of model.layers.0.mlp.down_proj.weight; use 64 or 32."),
    (COMPILE, "--quantize gptq", 2, "…'gptq'…"),
    (COMPILE, "--target edge11", 4, "There is no target 'edge11': use one of native, …."),
    (QUANTIZE, "--group-size 48", 4, "q_group_size is 48; use 32, 64, 128, or -1 for whole rows."),
    (QUANTIZE, "--group-size 128", 4,
     "The group size 128 does not divide the 192 inputs of …down_proj; use 64 or 32 or -1, "
     "or name it in modules_to_not_convert."),
    (QUANTIZE, "--method gptq", 2, "…'gptq'…"),
    (QUANTIZE, "--bits 3", 2, "…'3' is not one of '4', '8'…"),
    (QUANTIZE, "--bits 8", 4,
     "w_bit is 8 bits, but the AWQ GEMM format holds 4-bit weights; use format='compressed-tensors' "
     "(--format compressed-tensors)."),
    (QUANTIZE, "--without clip", 2, "…'clip' is not one of …"),
    (QUANTIZE, "--bits-per-weight 4.5", 4,
     "bits_per_weight needs the method 'tyllm', not 'rtn'; leave one of them out."),
    (QUANTIZE, "--bits-per-weight 20 --method tyllm", 4, "bits_per_weight is 20; give a number from 4 to 16."),
    (QUANTIZE, "--report layers.pdf", 2, "…layers.pdf is no .json, .md, .svg file; choose one of these endings…"),
    (QUANTIZE, "--eval-tokens 1", 2, "…'--eval-tokens'…"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "arguments", "code", "sentence"), SETTINGS, ids=lambda value: str(value)[:40])
def test_a_setting_that_cannot_work(tyllm, checkpoints, tmp_path, command, arguments, code, sentence):
    folders = {"checkpoint": checkpoints / "float16", "output": tmp_path / "new"}
    agrees(tyllm([*fill(command, **folders), *arguments.split()]), code, sentence, **folders)
    assert list(tmp_path.iterdir()) == []


# Output folders


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (COMPILE, "{output} exists; choose another folder, or allow overwriting (--overwrite)."),
        ((*COMPILE, "--overwrite"),
         "{output} exists and is no package (it has no manifest.json), so it stays as it is; choose another folder."),
        (QUANTIZE, "{output} exists already; remove it or choose another output folder."),
    ],
)  # fmt: skip
def test_an_output_folder_that_exists(tyllm, checkpoints, tmp_path, command, sentence):
    folders = {"checkpoint": checkpoints / "float16", "output": tmp_path / "mine"}
    folders["output"].mkdir()
    (folders["output"] / "letter").write_text("x")
    agrees(tyllm(fill(command, **folders)), 7, sentence, **folders)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "letter"]


@pytest.mark.parametrize("command", [COMPILE, QUANTIZE], ids=lambda command: command[0])
def test_an_output_folder_that_is_read_only(tyllm, checkpoints, tmp_path, command):
    with small_disk(tmp_path / "disk", 1 << 20, "ro") as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        ended = tyllm(fill(command, **folders))
        agrees(ended, 7, "Cannot write {output}…: the file system is read-only; choose another folder.", **folders)


def test_a_package_that_will_not_fit(tyllm, checkpoints, tmp_path):
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "{output} needs … MB and the disk has 0.1 MB left; free some space or choose another disk."
        agrees(tyllm(fill(COMPILE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_disk_that_fills_while_compiling(tyllm, checkpoints, package, tmp_path):
    weights = sum(path.stat().st_size for path in package.rglob("*.params"))
    with small_disk(tmp_path / "disk", weights + (48 << 10)) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "Cannot write {output}: the disk is full; free some space and run again."
        agrees(tyllm(fill(COMPILE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_checkpoint_that_will_not_fit(tyllm, checkpoints, tmp_path):
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = (
            "The disk of {output}.partial has 0.1 MiB free, and the run needs … MiB there (the quantized weights twice "
            "while they are gathered); free some space or choose another folder."
        )
        agrees(tyllm(fill(QUANTIZE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_disk_that_fills_while_quantizing(tyllm, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr("awq.run.run_plan.RunPlan.check_disk", lambda *_: None)  # others fill it while we work
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "Cannot write …: the disk is full; free some space and run again, finished layers are kept."
        agrees(tyllm(fill(QUANTIZE, **folders)), 7, sentence, **folders)
        assert not folders["output"].exists()


# Packages


CODE, WEIGHTS = "batch_1/seqlen_8/llm_die0.so", "batch_1/common_die0.params"


def flipped(name):
    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def missing(name):
    return lambda folder: (folder / name).unlink()


def manifest(**changes):
    return lambda folder: edit_json(folder / "manifest.json", **changes)


def target(**changes):
    def change(folder):
        found = json.loads((folder / "manifest.json").read_text())["target"]
        edit_json(folder / "manifest.json", target=found | changes)

    return change


def wrong_weights_length(folder):
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"!")


PACKAGES = {
    "no package": (
        empty, "{package} is no package: it has no manifest.json; give the folder that `tyllm compile` made."),
    "no folder": (shutil.rmtree, "{package} is no folder; give the folder that `tyllm compile` made."),
    "a bit flipped in code": (
        flipped(CODE),
        f"{{package}}/{CODE} was changed or damaged: its SHA-256 is … instead of …; "
        "copy it again or compile the model again."),
    "a bit flipped in weights": (flipped(WEIGHTS), f"{{package}}/{WEIGHTS} was changed or damaged: …."),
    "a bit flipped in JSON": (
        flipped("buffer_config.json"), "{package}/buffer_config.json was changed or damaged: …."),
    "code is missing": (missing(CODE), f"{{package}} lacks {CODE}; copy it again or compile the model again."),
    "weights are missing": (
        missing(WEIGHTS), f"{{package}} lacks {WEIGHTS}; copy it again or compile the model again."),
    "weights are too long": (
        wrong_weights_length,
        f"{{package}}/{WEIGHTS} is too long: … bytes instead of …; copy it again or compile again."),
    "another version": (manifest(format_version=99), "{package}…has format_version 99, this TyLLM reads 2; …."),
    "another runtime": (manifest(runtime_abi=99), "{package}…has runtime_abi 99, this TyLLM reads 1; …."),
    "another machine": (
        target(triple="s390x-linux-gnu"),
        "{package} was compiled for s390x, this machine is …; compile the model for it."),
    "another CPU": (
        target(features=["quantum_dot4"]),
        "{package} was compiled for a CPU with quantum_dot4, which this one lacks; "
        "compile the model on this machine, or for a plainer one (--target)."),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PACKAGES)
def test_a_wrong_package(tyllm, package, tmp_path, mistake):
    breaking, sentence = PACKAGES[mistake]
    own = tmp_path / "package"
    shutil.copytree(package, own)
    breaking(own)
    agrees(tyllm(fill(RUN, package=own)), 6, sentence, package=own)


def test_a_good_package_runs(package, capfd):
    """The rows above fail by what was broken, not by what they all share."""
    assert main(fill(RUN, package=package)) == 0
    assert capfd.readouterr().out


# Images


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """A package of a vision-language model that works: an image is 16 tokens, the cache holds 160."""
    folder = tmp_path_factory.mktemp("seeing")
    write_tiny_vision_language(folder / "model")
    write_vision_tokenizer(folder / "model")
    arguments = ["--seq-lens", "1,8", "--max-kv-cache-size", "160", "--image-size", "112x112"]
    assert main(["compile", str(folder / "model"), str(folder / "package"), *arguments]) == 0
    return folder / "package"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A good image and bad ones."""
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)
    Image.fromarray(noise).save(folder / "good.png")
    for name, mode, size in (("dot", "RGB", (1, 1)), ("line", "RGB", (20000, 1)),
                             ("bomb", "1", (20000, 20000))):  # fmt: skip
        Image.new(mode, size).save(folder / f"{name}.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:20000])
    (folder / "text.png").write_text("no image")
    (folder / "empty").mkdir()
    (folder / "film.mp4").write_bytes(b"film")
    return folder


GOOD = "--image {images}/good.png"
PAD = "<|vision_start|><|image_pad|><|vision_end|>"
NO_CHAT = "write one where each image belongs, or give a chat whose messages have the images in them."
IMAGES = {
    "no such file": ("--image {images}/none.png", "There is no image {images}/none.png; check the path."),
    "no image": (
        "--image {images}/text.png", "text.png is not an image that can be read; save it as JPEG, PNG, …."),
    "a truncated one": ("--image {images}/cut.png", "cut.png is damaged or truncated …; fetch or save it again."),
    "a single pixel": (
        "--image {images}/dot.png", "dot.png is 1×1, a single pixel that shows nothing; give a larger image."),
    "a line": (
        "--image {images}/line.png", "line.png is 20000×1, one side more than 200 times the other; crop it …."),
    "a bomb": (
        "--image {images}/bomb.png",
        "bomb.png is …400,000,000 pixels, more than the … that are decoded; scale it down, …."),
    "more than there is room for": (
        " ".join([GOOD] * 11),
        "… tokens (176 of images) are more than the 160 that the cache holds; give fewer images or words, or "
        "compile the model with a larger max_kv_cache_size."),
    "a video without frames": (
        "--video {images}/empty", "The folder {images}/empty has no frames in it; put images there, …."),
    "a film": ("--video {images}/film.mp4", "film.mp4 is a film, which is not decoded here; take its frames with …."),
    "fewer placeholders than images": (
        f"{GOOD} {GOOD} {PAD}", f"The prompt has 1 placeholder <|image_pad|> for 2 images; {NO_CHAT}"),
    "a placeholder without an image": (PAD, f"The prompt has 1 placeholder <|image_pad|> for 0 images; {NO_CHAT}"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", IMAGES)
def test_an_image_that_cannot_be_used(tyllm, seeing, images, mistake):
    arguments, sentence = IMAGES[mistake]
    words = arguments.replace("{images}", str(images)).split()
    prompt = ["Hello"] if words[-1] != PAD else []
    ended = tyllm(["run", str(seeing), *prompt, *words])
    agrees(ended, 8, sentence, images=images)


def test_an_image_for_a_text_model(tyllm, package, images):
    sentence = (
        "The package was compiled from a text model (…) and takes no images; compile a vision-language model such as "
        "Qwen2.5-VL."
    )
    agrees(tyllm(["run", str(package), "Hello", "--image", str(images / "good.png")]), 8, sentence)


def test_a_chat_goes_on_after_what_is_wrong_with_images(seeing, images, monkeypatch, capfd):
    bad = [f"/image {images / name}.png" for name in ("none", "text", "cut", "dot", "line", "bomb")]
    many = [f"/image {images / 'good.png'}"] * 11
    lines = [*bad, f"/video {images / 'empty'}", PAD, *many, "too many", many[0], "Hello"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["chat", str(seeing), "--max-new-tokens", "2", "--json"]) == 0
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [each.get("exit_code") for each in told] == [8] * 9 + [None]
    assert told[-1]["timings"]["prompt_tokens"] > 16


def test_good_images_are_seen(seeing, images, capfd):
    """The rows above fail by what was wrong, not by what they all share."""
    assert main(["run", str(seeing), "Hello", "--image", str(images / "good.png"), "--max-new-tokens", "2"]) == 0
    assert main(["run", str(seeing), f"{PAD} Hello", "--image", str(images / "good.png"), "--json"]) == 0
    assert capfd.readouterr().out
