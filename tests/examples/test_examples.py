"""The examples run one after the other, make the manual's calls, and leave the manual's tree."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OURS = {"manifest.json", "program.json"}
COPIED = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "chat_template.jinja",
}
DIES = 4


def manual_tree(dies: int, seq_lens: tuple[int, ...]) -> set[str]:
    """The files that the manual shows for a language model."""
    files = {"buffer_config.json", "config.json", "empty.bin"}
    for die in range(dies):
        files.add(f"batch_1/common_die{die}.params")
        for seq_len in seq_lens:
            files |= {f"batch_1/seqlen_{seq_len}/llm_die{die}.{kind}" for kind in ("params", "so")}
    return files


def default_batch(dies: int) -> set[str]:
    """The files of the batch that is compiled where none is asked for."""
    return {f"batch_16/seqlen_1/llm_die{die}.{kind}" for die in range(dies) for kind in ("params", "so")}


def run(folder: Path, script: str, *arguments: str) -> str:
    """Run an example in `folder`; what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_examples_run_and_leave_the_manuals_tree(tmp_path):
    from random_weights import write_random_checkpoint
    from small_config import small_config

    write_random_checkpoint(small_config("Qwen1.5-1.8B"), tmp_path / "tiny")
    run(tmp_path, "1_quantize.py", "tiny", "./tiny-AWQ-INT4")
    run(tmp_path, "2_compile.py", "./tiny-AWQ-INT4")
    assert "The function returns" in run(tmp_path, "3_run.py", f"./tiny-AWQ-INT4-AOT/{DIES}die")
    assert "were in the cache]" in run(tmp_path, "4_chat.py", f"./tiny-AWQ-INT4-AOT/{DIES}die")

    package, checkpoint = tmp_path / "tiny-AWQ-INT4-AOT" / f"{DIES}die", tmp_path / "tiny-AWQ-INT4"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert files - COPIED == manual_tree(DIES, (1, 8)) | default_batch(DIES) | OURS
    assert files & COPIED == {path.name for path in checkpoint.iterdir()} & COPIED
    assert (package / "empty.bin").stat().st_size == 0


@pytest.mark.slow
def test_the_vision_example_describes_its_image_from_the_manuals_tree(tmp_path, repo):
    said = run(tmp_path, "5_vision.py", str(repo / "models" / "tyllm-vl-4m"), str(EXAMPLES / "image.png"))
    assert "a yellow star at the bottom" in said and "a blue circle on the right" in said
    (package,) = tmp_path.glob("out/examples/tyllm-vl-AOT_168x112_2048/4die")
    vision = {f"visual/{name}" for name in ("aot_config.json", "buffer_config.json")}
    vision |= {
        f"visual/{name}{die}.{kind}"
        for die in range(3)
        for name, kind in (("vit_die", "so"), ("constant_die", "params"))
    }
    rope = {"embedding.params", "rope_param.params", "compute_rope_param.so", "compute_rope_param.params"}
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert "tokenizer.json" in files
    expected = manual_tree(4, (1, 96)) | default_batch(4) | vision | rope | OURS | {"preprocessor_config.json"}
    assert files - COPIED == expected


def call_of(script: str, name: str) -> ast.Call:
    """The call of the function or method `name` in an example."""
    for node in ast.walk(ast.parse((EXAMPLES / script).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
            return node
    raise AssertionError(f"{script} does not call {name}")


def constants(script: str) -> dict[str, object]:
    """The names that an example gives literal values, last resort of a conditional included."""
    found = {}
    for node in ast.parse((EXAMPLES / script).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            value = node.value.orelse if isinstance(node.value, ast.IfExp) else node.value
            try:
                found[node.targets[0].id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found


def test_the_manuals_quantize_call():
    config = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
    assert constants("1_quantize.py")["quant_config"] == config
    opened = call_of("1_quantize.py", "from_pretrained")
    assert {"torch_dtype", "cache_dir"} >= {word.arg for word in opened.keywords} - {"trust_remote_code"}
    for name in ("quantize", "save_quantized", "save_pretrained"):
        call_of("1_quantize.py", name)


def test_the_manuals_compile_call():
    values = constants("2_compile.py")
    manual = {"prefill_seq_len": 8, "max_kv_cache_size": 4096, "die_num": DIES, "embedding_as_input": False}
    assert {name: values[name] for name in manual} == manual
    arguments = {
        word.arg: ast.unparse(word.value) for word in call_of("2_compile.py", "build_and_compile_llm").keywords
    }
    assert arguments == {
        "model_path": "quant_path",
        "artifacts_path": "f'{aot_path}/{die_num}die'",
        "max_kv_cache_size": "max_kv_cache_size",
        "seq_len_list": "[1, prefill_seq_len]",
        "dev_count": "die_num",
        "embedding_as_input": "embedding_as_input",
    }
