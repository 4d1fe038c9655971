"""A user's mistake at any public door raises a `TyllmError`, of a class that the door's docstring names."""

import ast
import builtins
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tiny_checkpoint import quantize_by_rounding, write_tiny

import tyllm_base.errors
from awq import AutoAWQForCausalLM, load_quantized
from awq.model import AwqModel
from tyllm import errors, torch_edgex
from tyllm.bench.measure import Trial
from tyllm.bench.run import run
from tyllm.build_util import build_and_compile_llm, build_and_compile_vlm
from tyllm.evaluate import evaluate
from tyllm.package import open_package, verify_package
from tyllm.runtime import LLM, AsyncLLM, Session
from tyllm.runtime.generation.conversation import Conversation
from tyllm.runtime.generation.generation_stream import GenerationStream
from tyllm.signing import sign_package
from tyllm.torch_edgex.backend import DynamoGraph
from tyllm.torch_edgex.graph_runner import _SubgraphRunner
from tyllm_base.doors import Door
from tytvm import target

sys.path.insert(0, str(Path(__file__).parent / "tyllm"))

from fake_package import HERE, Fake, build

SRC = Path(__file__).resolve().parents[1] / "src"
NAME = re.compile(r"\b[A-Z]\w*Error\b")
OURS = {name for name, value in vars(tyllm_base.errors).items() if isinstance(value, type)}
OF_PYTHON = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}
"""Python's own errors, which functions inside raise for mistakes of the code that calls them, or to be translated."""


def documented() -> dict[str, set[str]]:
    """The error classes that docstrings in src/ name, by "file:function"."""
    found: dict[str, set[str]] = {}
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found[f"{path.relative_to(SRC)}:{node.name}"] = set(NAME.findall(text))
    return found


def test_every_error_that_a_docstring_names_is_one_of_ours():
    strange = {where: names - OURS - OF_PYTHON for where, names in documented().items()}
    assert not {where: names for where, names in strange.items() if names}


def test_no_error_of_ours_is_defined_elsewhere():
    """A class of exceptions that does not begin with an underscore is part of the hierarchy."""
    stray = {
        f"{path.relative_to(SRC)}:{node.name}"
        for path in SRC.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and path != Path(tyllm_base.errors.__file__) and not node.name.startswith("_")
        if any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
    }
    assert not stray


@dataclass(frozen=True)
class Scene:
    """What the doors are called with: a checkpoint, its INT4 form, a package, a session, folders."""

    tiny: Path
    int4: Path
    package: Path
    session: Session
    full: Path
    missing: Path
    out: Path

    def model(self) -> AwqModel:
        """The checkpoint, open to be quantized."""
        return AutoAWQForCausalLM.from_pretrained(self.tiny)

    def quantize(self, config: Any = None, **options: Any) -> None:
        """Quantize in groups of 32."""
        self.model().quantize(None, {"q_group_size": 32} if config is None else config, **options)

    def compile(self, **options: Any) -> None:
        """Compile into a new folder."""
        build_and_compile_llm(
            **{"model_path": self.tiny, "artifacts_path": self.out, "max_kv_cache_size": 64} | options
        )

    def compile_vision(self, **options: Any) -> None:
        """Compile as a vision-language model."""
        build_and_compile_vlm(
            **{"model_path": self.tiny, "artifacts_path": self.out, "max_kv_cache_size": 64} | options
        )

    def ask_llm(self, prompts: Any, *params: Any, chat: bool = False, **options: Any) -> None:
        """Ask an engine of its own."""
        with LLM(self.package, max_num_seqs=1) as llm:
            (llm.chat if chat else llm.generate)(prompts, *params, progress=False, **options)

    def run_module(self, **options: Any) -> None:
        """Call a module that `torch.compile` gave."""
        torch._dynamo.reset()
        with torch.no_grad():
            torch.compile(torch.nn.Linear(4, 4), backend="edgex", options=options)(torch.zeros(1, 4))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    tiny = write_tiny(folder / "tiny")
    int4 = quantize_by_rounding(tiny, folder / "int4")
    package = Fake(build(HERE / "fake_program.c", folder / "toy.so")).write(folder / "package")
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with Session(package) as session:
            yield Scene(tiny, int4, package, session, folder / "full", folder / "missing", folder / "out")


Mistake = tuple[Callable[..., Any], str, Callable[[Scene], object]]


def bench(s: Scene, *packages: Path, tokens: int = 4, repetitions: int = 1, threads: int | None = None) -> None:
    run(packages or [s.package], [Trial("pp", tokens, 0)], repetitions, threads, lambda *_: None)


def ask(s: Scene, **options: Any) -> None:
    s.session.generate([1], **options)


def say(s: Scene, content: Any) -> None:
    s.session.chat([{"role": "user", "content": content}])


LOAD = AutoAWQForCausalLM.from_pretrained
MISTAKES: list[Mistake] = [
    (LOAD, "CheckpointError", lambda s: LOAD(s.missing)),
    (LOAD, "CheckpointError", lambda s: LOAD(s.full)),
    (LOAD, "CheckpointError", lambda s: LOAD(s.int4)),
    (LOAD, "CheckpointError", lambda s: LOAD(3)),
    (LOAD, "SettingError", lambda s: LOAD(s.tiny, torch_dtype="bfloat16")),
    (LOAD, "SettingError", lambda s: LOAD(s.tiny, safetensors=False)),
    (LOAD, "SettingError", lambda s: LOAD(s.tiny, download_kwargs=3)),
    (AutoAWQForCausalLM.from_quantized, "CheckpointError", lambda s: AutoAWQForCausalLM.from_quantized(None)),
    (AutoAWQForCausalLM.from_quantized, "CheckpointError", lambda s: AutoAWQForCausalLM.from_quantized(s.missing)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(method="best")),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(without=("luck",))),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"luck": 1})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize([1])),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"modules_to_not_convert": 3})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"modules_to_not_convert": [3]})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"overrides": 3})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(without=None)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(luck=1)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(calib_data=[[1] * 600], max_calib_seq_len="long")),
    (AwqModel.quantize, "SettingError", lambda s: LOAD(s.tiny, device_map="cuda:99").quantize(method="rtn")),
    (AwqModel.quantize, "SettingError", lambda s: LOAD(s.tiny, device_map="cudas").quantize(method="rtn")),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=torch.zeros(2, 600))),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=np.zeros((2, 600)))),
    (AwqModel.quantize, "OutputError", lambda s: s.quantize(quant_path=3)),
    (AwqModel.quantize, "OutputError", lambda s: s.quantize(work_dir=3)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"w_bit": 3})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"q_group_size": "many"})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"q_group_size": 128}, method="rtn")),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize({"version": "gemv"})),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(format="gguf")),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(export_compatible=True)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(bits_per_weight="few")),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(n_parallel_calib_samples=-1)),
    (AwqModel.quantize, "SettingError", lambda s: s.quantize(max_search_tokens=-1)),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=str(s.missing))),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=[])),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=["text", [1]])),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=3)),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=[[9999] * 600])),
    (AwqModel.quantize, "CalibrationError", lambda s: s.quantize(calib_data=[[1] * 600], max_calib_samples=-1)),
    (AwqModel.quantize, "OutputError", lambda s: s.quantize(quant_path=s.full)),
    (AwqModel.quantize, "OutputError", lambda s: s.quantize(method="rtn", work_dir=s.full)),
    (AwqModel.quantize, "OutputError", lambda s: s.quantize(method="rtn", work_dir=s.full / "file")),
    (AwqModel.save_quantized, "OutputError", lambda s: s.model().save_quantized(s.out)),
    (AwqModel.save_quantized, "SettingError", lambda s: s.model().save_quantized(s.out, safetensors=False)),
    (load_quantized, "CheckpointError", lambda s: load_quantized(s.missing)),
    (load_quantized, "CheckpointError", lambda s: load_quantized(None)),
    (load_quantized, "SettingError", lambda s: load_quantized(s.int4, "int8")),
    (load_quantized, "SettingError", lambda s: load_quantized(s.int4, device="toaster")),
    (build_and_compile_llm, "CheckpointError", lambda s: s.compile(model_path=s.missing)),
    (build_and_compile_llm, "CheckpointError", lambda s: s.compile(model_path=None)),
    (build_and_compile_llm, "OutputError", lambda s: s.compile(artifacts_path=3)),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(dev_count=1.0)),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(target="nope")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(dev_count=6)),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(dev_count="two")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(seq_len_list=[])),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(seq_len_list=[0])),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(seq_len_list=[128])),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(seq_len_list=8)),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(max_kv_cache_size=0)),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(activations="int3")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(kv_cache_dtype="int3")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(quantize="rtn", group_size="many")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(model_path=s.int4, quantize="rtn")),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(die_order=[1, 2])),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(image_sizes=[(28, 28)])),
    (build_and_compile_llm, "SettingError", lambda s: s.compile(luck=1)),
    (build_and_compile_llm, "OutputError", lambda s: s.compile(artifacts_path=s.full)),
    (build_and_compile_llm, "OutputError", lambda s: s.compile(artifacts_path=s.full, overwrite=True)),
    (build_and_compile_llm, "OutputError", lambda s: s.compile(artifacts_path=s.full / "file" / "out")),
    (build_and_compile_vlm, "CheckpointError", lambda s: s.compile_vision(model_path=s.missing)),
    (build_and_compile_vlm, "SettingError", lambda s: s.compile_vision()),
    (build_and_compile_vlm, "SettingError", lambda s: s.compile_vision(image_sizes=[5])),
    (build_and_compile_vlm, "SettingError", lambda s: s.compile_vision(image_sizes=5)),
    (torch_edgex.set_device_mode, "SettingError", lambda s: torch_edgex.set_device_mode("luck", 1)),
    (torch_edgex.set_device_mode, "SettingError", lambda s: torch_edgex.set_device_mode("dies", 6)),
    (torch_edgex.set_device_mode, "SettingError", lambda s: torch_edgex.set_device_mode("AOT_DIR", 3)),
    (DynamoGraph.__call__, "SettingError", lambda s: s.run_module(luck=1)),
    (DynamoGraph.__call__, "SettingError", lambda s: s.run_module(target="nope")),
    (DynamoGraph.__call__, "OutputError", lambda s: s.run_module(AOT_DIR=str(s.full / "file" / "x"))),
    (Session.__init__, "PackageError", lambda s: Session(s.missing)),
    (Session.__init__, "PackageError", lambda s: Session(s.full)),
    (Session.__init__, "PackageError", lambda s: Session(3)),
    (Session.__init__, "SettingError", lambda s: Session(s.package, signer=3)),
    (Session.__init__, "SettingError", lambda s: Session(s.package, signer=s.missing)),
    (Session.__init__, "SettingError", lambda s: Session(s.package, threads=0)),
    (Session.__init__, "SettingError", lambda s: Session(s.package, threads="all")),
    (Session.__init__, "SettingError", lambda s: Session(s.package, slots=0)),
    (Session.conversation, "GenerationError", lambda s: s.session.conversation(5)),
    (Session.conversation, "GenerationError", lambda s: s.session.conversation("first")),
    (Session.logits, "GenerationError", lambda s: s.session.logits([])),
    (Session.logits, "GenerationError", lambda s: s.session.logits([9999])),
    (Session.logits, "GenerationError", lambda s: s.session.logits([1.5])),
    (Session.logits, "GenerationError", lambda s: s.session.logits([1] * 100)),
    (Session.logits, "GenerationError", lambda s: s.session.logits("Hello")),
    (Session.logits, "SettingError", lambda s: s.session.logits(np.zeros((1, 8), np.float32))),
    (Session.score, "GenerationError", lambda s: s.session.score([1])),
    (Session.score, "GenerationError", lambda s: s.session.score([1, 9999])),
    (Session.score, "GenerationError", lambda s: s.session.score("Hello")),
    (Session.score, "GenerationError", lambda s: s.session.score(3)),
    (Session.score, "GenerationError", lambda s: s.session.score([1, 2], slot=False)),
    (Conversation.append, "GenerationError", lambda s: s.session.conversation().append("Hello")),
    (Conversation.append, "GenerationError", lambda s: s.session.conversation().append(b"Hello")),
    (Conversation.append, "GenerationError", lambda s: s.session.conversation().append(None)),
    (Conversation.append, "GenerationError", lambda s: s.session.conversation().append_embeddings("Hello")),
    (Conversation.append, "GenerationError", lambda s: s.session.conversation().append_embeddings([[np.nan] * 8])),
    (Conversation.log_probs, "GenerationError", lambda s: s.session.conversation().log_probs(3)),
    (Session.generate, "GenerationError", lambda s: s.session.generate([])),
    (Session.generate, "GenerationError", lambda s: s.session.generate(None)),
    (Session.generate, "GenerationError", lambda s: s.session.generate("Hello" * 100)),
    (Session.generate, "GenerationError", lambda s: ask(s, luck=1)),
    (Session.generate, "GenerationError", lambda s: ask(s, temperature=-1)),
    (Session.generate, "GenerationError", lambda s: ask(s, temperature="hot")),
    (Session.generate, "GenerationError", lambda s: ask(s, top_p=3)),
    (Session.generate, "GenerationError", lambda s: ask(s, stop=3)),
    (Session.generate, "GenerationError", lambda s: ask(s, stop=[3])),
    (Session.generate, "GenerationError", lambda s: ask(s, stop=b"end")),
    (Session.generate, "GenerationError", lambda s: ask(s, seed=1.5)),
    (Session.generate, "GenerationError", lambda s: ask(s, logprobs=1.5)),
    (Session.generate, "GenerationError", lambda s: ask(s, max_new_tokens=1.5)),
    (Session.generate, "GenerationError", lambda s: ask(s, max_new_tokens=True)),
    (Session.generate, "GenerationError", lambda s: ask(s, logit_bias={9999: 1})),
    (Session.generate, "GenerationError", lambda s: ask(s, n=2)),
    (Session.generate, "GenerationError", lambda s: s.session.generate(b"Hello")),
    (Session.generate, "GenerationError", lambda s: s.session.generate({1: 2})),
    (Session.generate, "GenerationError", lambda s: s.session.generate({1, 2})),
    (Session.generate, "GenerationError", lambda s: s.session.generate([True, False])),
    (Session.generate, "GenerationError", lambda s: s.session.generate([[1, 2], [3, 4]])),
    (Session.generate, "GenerationError", lambda s: s.session.generate(np.ones((2, 3), np.int64))),
    (Session.generate, "GenerationError", lambda s: s.session.generate(np.ones(3))),
    (Session.generate, "GenerationError", lambda s: s.session.generate(np.ones((1, 2, 3), np.float32))),
    (Session.generate, "GenerationError", lambda s: s.session.generate(iter([1, 2]))),
    (Session.generate, "GenerationError", lambda s: s.session.generate([1], stream="yes")),
    (Session.generate, "GenerationError", lambda s: ask(s, images="cat.jpg")),
    (Session.generate, "GenerationError", lambda s: ask(s, max_new_tokens="many")),
    (Session.generate, "GenerationError", lambda s: ask(s, eos_token_ids=5)),
    (Session.generate, "GenerationError", lambda s: ask(s, slot=9)),
    (Session.generate, "GenerationError", lambda s: ask(s, eos_token_ids=["end"])),
    (Session.generate, "GenerationError", lambda s: ask(s, slot="first")),
    (Session.generate, "ImageError", lambda s: ask(s, images=["x.png"])),
    (Session.chat, "GenerationError", lambda s: s.session.chat([])),
    (Session.chat, "GenerationError", lambda s: s.session.chat("Hello")),
    (Session.chat, "GenerationError", lambda s: s.session.chat({"role": "user", "content": "Hello"})),
    (Session.chat, "GenerationError", lambda s: s.session.chat([{"role": "user", "content": "Hello"}], tools="x")),
    (Session.chat, "GenerationError", lambda s: s.session.chat([{"role": "user", "content": "Hello"}], stream=1)),
    (
        Session.chat,
        "GenerationError",
        lambda s: s.session.chat([{"role": "user", "content": "Hello"}], template_options=["enable_thinking"]),
    ),
    (
        Session.chat,
        "GenerationError",
        lambda s: s.session.chat([{"role": "user", "content": "Hello"}], template_options={"messages": []}),
    ),
    (Session.chat, "GenerationError", lambda s: s.session.chat(None)),
    (Session.chat, "GenerationError", lambda s: say(s, [{"type": "smell"}])),
    (Session.chat, "ImageError", lambda s: say(s, [{"type": "image", "image": "x.png"}])),
    (Session.chat, "ImageError", lambda s: say(s, [{"type": "video", "video": "file://[x/a.gif"}])),
    (Session.vision_tower.fget, "ImageError", lambda s: s.session.vision_tower),
    (LLM.__init__, "PackageError", lambda s: LLM(s.missing)),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, max_num_seqs="many")),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, kv_cache_memory="much")),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, kv_cache_memory=1)),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, max_batched_tokens=0)),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, enable_prefix_caching="no")),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, num_draft_tokens=0)),
    (LLM.__init__, "SettingError", lambda s: LLM(s.package, draft_model=s.package)),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm(b"Hello")),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm([1, "Hello"])),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm(np.zeros((2, 2), np.int64))),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm({"prompt": "Hello", "images": "path"})),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm({"prompt": "Hello", "images": ["path"]})),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm({"text": "Hello"})),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm("Hello" * 100)),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm("Hello", {"temperature": 1})),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm(["Hello"], [])),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm("Hello", timeout="soon")),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm("Hello", timeout=10**400)),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm([10**5000])),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm({10**5000: 1})),
    (LLM.generate, "GenerationError", lambda s: s.ask_llm("Hello", 10**5000)),
    (LLM.chat, "GenerationError", lambda s: s.ask_llm("Hello", chat=True)),
    (LLM.chat, "GenerationError", lambda s: s.ask_llm([], chat=True)),
    (AsyncLLM.__init__, "PackageError", lambda s: AsyncLLM(s.missing)),
    (AsyncLLM.__init__, "SettingError", lambda s: AsyncLLM(s.package, pin="no")),
    (AsyncLLM.__init__, "SettingError", lambda s: AsyncLLM(s.package, max_num_seqs=0)),
    (AsyncLLM.__init__, "SettingError", lambda s: AsyncLLM(s.package, draft_model=s.package)),
    (Conversation.rewind, "GenerationError", lambda s: s.session.conversation().rewind(-1)),
    (Conversation.rewind, "GenerationError", lambda s: s.session.conversation().rewind(0.5)),
    (Conversation.restore, "GenerationError", lambda s: s.session.conversation().restore(b"x")),
    (Conversation.restore, "GenerationError", lambda s: s.session.conversation().restore(3)),
    (evaluate, "CheckpointError", lambda s: evaluate(s.missing)),
    (evaluate, "CheckpointError", lambda s: evaluate(3)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, text=3)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, window="wide")),
    (evaluate, "SettingError", lambda s: evaluate(s.package, max_tokens="all")),
    (evaluate, "SettingError", lambda s: evaluate(s.package, text=s.missing)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, window=1)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, max_tokens=1)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, threads=0)),
    (evaluate, "SettingError", lambda s: evaluate(s.package, s.tiny)),
    (run, "PackageError", lambda s: bench(s, s.missing)),
    (run, "GenerationError", lambda s: bench(s, tokens=400)),
    (run, "SettingError", lambda s: bench(s, threads=0)),
    (run, "SettingError", lambda s: bench(s, repetitions=0)),
    (target.resolve, "SettingError", lambda s: target.resolve("nope")),
    (target.best_for, "SettingError", lambda s: target.best_for("vax", frozenset())),
    (open_package, "PackageError", lambda s: open_package(s.missing)),
    (open_package, "PackageError", lambda s: open_package(None)),
    (verify_package, "PackageError", lambda s: verify_package(s.full)),
    (sign_package, "PackageError", lambda s: sign_package(3, s.missing)),
    (sign_package, "SettingError", lambda s: sign_package(s.package, s.missing)),
    (sign_package, "SettingError", lambda s: sign_package(s.package, 3)),
]


@pytest.mark.parametrize(
    ("door", "name", "call"), MISTAKES, ids=[f"{door.__qualname__}-{name}" for door, name, _ in MISTAKES]
)
def test_a_mistake_is_an_error_that_the_door_names(scene, door, name, call):
    with pytest.raises(errors.TyllmError) as caught:
        call(scene)
    assert isinstance(caught.value, getattr(errors, name))
    named = [getattr(errors, found) for found in NAME.findall(inspect.getdoc(door) or "")]
    assert isinstance(caught.value, tuple(set(named) - {errors.TyllmError})), f"{door.__qualname__} does not name it"


DOORS = [
    *(AutoAWQForCausalLM.from_pretrained, AutoAWQForCausalLM.from_quantized, load_quantized),
    *(AwqModel.quantize, AwqModel.save_quantized),
    *(build_and_compile_llm, build_and_compile_vlm, evaluate, open_package, verify_package, sign_package, run),
    *(Session.__init__, Session.logits, Session.score, Session.generate, Session.chat, GenerationStream.prefill),
    *(LLM.__init__, LLM.generate, LLM.chat, LLM.save_prefix_cache, LLM.load_prefix_cache, AsyncLLM.__init__),
    *(Conversation.append, Conversation.log_probs, Conversation.rewind, Conversation.save, Conversation.restore),
    *(DynamoGraph._runner, _SubgraphRunner.forward),
]


@pytest.mark.parametrize("function", DOORS, ids=lambda function: function.__qualname__)
def test_every_public_function_is_a_door(function):
    assert any(isinstance(cell.cell_contents, Door) for cell in function.__closure__ or ())


def test_what_nobody_foresaw_is_told_as_ours_and_a_callers_exception_is_the_callers(scene, monkeypatch):
    class TheirsError(Exception):
        """Of the caller's progress callable."""

    def progress(done, total, what):
        raise TheirsError

    with pytest.raises(TheirsError):
        scene.compile(progress=progress)
    with pytest.raises(TheirsError):
        verify_package(scene.package, progress)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_start", lambda *_: 1 // 0)
        with pytest.raises(errors.InternalError, match="ZeroDivisionError") as caught:
            scene.session.generate([1, 2])
    assert isinstance(caught.value.__cause__, ZeroDivisionError) and caught.value.log.is_file()
    with pytest.raises(TypeError, match="unexpected keyword"):
        Session(scene.package, luck=1)
