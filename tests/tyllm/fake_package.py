"""Writes packages of a toy model (fake_program.c) that hold everything a compiled one does, for 1 to many dies."""

import json
import platform
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tyllm.native import FOLDER, compile_flags, link_flags, sources
from tyllm.package import (
    BufferConfig,
    DieBuffers,
    Exports,
    ImageSize,
    IoEntry,
    KvLayer,
    Manifest,
    ProgramMemory,
    Target,
    Visual,
    file_entries,
    write_params,
)
from tyllm.package.buffer_config import KEY_TILE, slot_bytes
from tyllm.package.code_needs import CodeNeeds, decoder_layout
from tyllm.package.compiled_module import ModuleConfig, ModuleMemory, ModuleProgram
from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape, step_shapes

HERE = Path(__file__).parent
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|unlucky|>")
VOCAB, HIDDEN, UNLUCKY = 256 + len(SPECIAL), 8, 259
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build(source: Path, target: Path, extra: Sequence[str] = ("-shared",)) -> Path:
    """Compile a toy program together with the runtime's C library."""
    flags = [*compile_flags(), "-Werror", "-g", f"-I{FOLDER}", *extra]
    subprocess.run(["gcc", *flags, source, *sources(), *link_flags()[1:], "-o", target], check=True)
    return target


def with_needs(library: bytes, needs: CodeNeeds) -> bytes:
    """A toy library whose table of needs, of one program, says something else."""
    sizes = (
        needs.params_bytes, needs.constants_bytes, needs.kv_bytes, needs.slot_bytes, needs.arena_bytes, needs.io_bytes,
    )  # fmt: skip
    row = struct.pack("=256s256s72s6Q", needs.body.encode(), needs.head.encode(), needs.layout.encode(), *sizes)
    start = library.index(row[:512])
    return library[:start] + row + library[start + len(row) :]


TOKENS = {"image": 1, "video": 2, "start": 3, "end": 4}
VISUAL = Visual(1, (0,), (ImageSize(28, 28, (2, 2)),), 2, TOKENS, None)


@dataclass(frozen=True)
class Fake:
    """What to write: the compiled toy program and the settings of a package."""

    library: Path
    dies: int = 1
    seq_lens: tuple[int, ...] = (1, 8)
    batch_sizes: tuple[int, ...] = ()
    max_kv_cache_size: int = 64
    embedding_as_input: bool = False
    sees: bool = False
    """Whether it has a vision tower and rotary positions, of which only what the files say matters."""

    @property
    def capacity(self) -> int:
        return -(-(self.max_kv_cache_size + max(self.seq_lens) - 1) // KEY_TILE) * KEY_TILE

    @property
    def values(self) -> int:
        """Where a cache's values begin."""
        return -(-2 * self.capacity // 64) * 64

    def write(self, folder: Path) -> Path:
        """The whole folder."""
        folder.mkdir(parents=True)
        dies = tuple(self._die(folder, die) for die in range(self.dies))
        BufferConfig(self.max_kv_cache_size, self.capacity, self.seq_lens, dies, self.batch_sizes).write_buffer_config(
            folder
        )
        if self.embedding_as_input:
            write_params(folder / "embedding.params", {"embedding": embedding_table()})
        (folder / "config.json").write_text(json.dumps({"eos_token_id": 257}))
        (folder / "empty.bin").write_bytes(b"")
        write_tokenizer(folder)
        if self.sees:
            self._write_vision(folder)
        self.write_manifest(folder)
        return folder

    def write_manifest(self, folder: Path) -> None:
        """The manifest for the files as they are now."""
        Manifest(
            tyllm_version="test", architecture="ToyForCausalLM", model_type="toy", vocab_size=VOCAB,
            hidden_size=HIDDEN, layers=1, dies=self.dies, seq_lens=self.seq_lens,
            batch_sizes=self.batch_sizes, max_kv_cache_size=self.max_kv_cache_size,
            embedding_as_input=self.embedding_as_input,
            activations="float16", quantization=None,
            target=Target("plain", f"{platform.machine()}-linux-gnu"),
            exports=Exports("llm_body", "llm_head"), built_with={}, source={}, files=file_entries(folder),
            visual=VISUAL if self.sees else None, rope=self._rope.to_json() if self.sees else None,
        ).write_manifest(folder)  # fmt: skip

    @property
    def _rope(self) -> ModuleConfig:
        rows = self.max_kv_cache_size
        io = {"positions": IoEntry(0, (3, rows), "int32"), "rope_param": IoEntry(12 * rows, (rows, 2, 2), "float32")}
        program = ModuleProgram("compute_rope_param", "double", ("positions",), ("rope_param",))
        memory = {program.name: ModuleMemory(64, 28 * rows, 0, io)}
        return ModuleConfig("compute_rope_param.so", "compute_rope_param.params", (program,), (memory,))

    def _write_vision(self, folder: Path) -> None:
        (folder / "visual").mkdir()
        for name in ("visual/vit_die0.so", "compute_rope_param.so"):
            (folder / name).write_bytes(self.library.read_bytes())
        for name in ("visual/constant_die0", "compute_rope_param"):
            write_params(folder / f"{name}.params", {"x": np.zeros(3, np.float32)})
        write_params(folder / "rope_param.params", {"rope_param": np.zeros((self.max_kv_cache_size, 2, 2), np.float32)})
        (folder / "preprocessor_config.json").write_text(json.dumps({"patch_size": 14, "merge_size": 2}))
        io = {"patches": IoEntry(0, (4, 1176), "float32"), "embeddings": IoEntry(18816, (1, HIDDEN), "float32")}
        program = ModuleProgram("28x28", "double", ("patches",), ("embeddings",))
        memory = {"28x28": ModuleMemory(64, 18816 + 4 * HIDDEN, 0, io)}
        tower = ModuleConfig("vit_die{die}.so", "constant_die{die}.params", (program,), (memory,))
        tower.write_module_config(folder / "visual")

    def _die(self, folder: Path, die: int) -> DieBuffers:
        first, stop = VOCAB * die // self.dies, VOCAB * (die + 1) // self.dies
        (folder / "batch_1").mkdir(exist_ok=True)
        write_params(folder / params_file(die), {"bias": bias()[first:stop]})
        programs, batches = (
            {
                size: self._program(folder, die, StepShape(*shape), first, stop)
                for size, shape in zip(sizes, shapes, strict=True)
            }
            for sizes, shapes in (
                (self.seq_lens, [(1, length) for length in self.seq_lens]),
                (self.batch_sizes, [(size, 1) for size in self.batch_sizes]),
            )
        )
        layer = KvLayer(k_offset=0, v_offset=self.values, kv_heads=1, head_dim=1, v_head_dim=1)
        buffers = DieBuffers(die, (first, stop), 2 * self.values, (layer,), programs, batches)
        self._write_code(folder, buffers)
        return buffers

    def _program(self, folder: Path, die: int, step: StepShape, first: int, stop: int) -> ProgramMemory:
        io, end, seq_len, batch = {}, 0, step.tokens, step.batch
        source = ("embeddings", (1, seq_len, HIDDEN), "float32")
        positions = ("rope_param", (seq_len, 2, 2), "float32") if self.sees else ("positions", (1, seq_len), "int64")
        entries = [source if self.embedding_as_input else ("tokens", (1, seq_len), "int64"),
                   positions, ("position", (batch,), "int64"), ("row", (batch,), "int64"),
                   ("first_token", (1,), "int64"), ("logits", (batch, stop - first), "float32")]  # fmt: skip
        counts = [("slot", (batch,), "int64"), ("row_count", (1,), "int64"), ("logit_count", (1,), "int64")]
        entries += counts if step.is_batch else []
        for name, shape, dtype in entries:
            io[name] = IoEntry(end, shape, dtype)
            end += -(-io[name].nbytes // 64) * 64
        inputs = io["embeddings" if self.embedding_as_input else "tokens"]
        names = (positions[0], "position", "row", "first_token", "logits")
        places = [inputs.offset, *(io[name].offset for name in names)]
        stride = slot_bytes(2 * self.values) if step.is_batch else 0
        places += [stride, *(io[name].offset if step.is_batch else 0 for name, *_ in counts)]
        setup = [die, self.dies, seq_len, stop - first, self.values // 2, HIDDEN, self.embedding_as_input, *places]
        (folder / constants_file(die, step)).parent.mkdir(exist_ok=True, parents=True)
        write_params(folder / constants_file(die, step), {"setup": np.asarray(setup, np.int64)})
        return ProgramMemory(arena_bytes=4 * seq_len * HIDDEN, io_bytes=end, io=io)

    def _write_code(self, folder: Path, die: DieBuffers) -> None:
        for step in step_shapes(self.seq_lens, self.batch_sizes):
            memory, layout = (
                die.memory(step),
                decoder_layout(self.dies, self.max_kv_cache_size, self.capacity, die, step),
            )
            stride = slot_bytes(die.kv_bytes) if step.is_batch else 0
            sizes = -(-4 * die.rows // 64) * 64, 8 * 17, die.kv_bytes, stride, memory.arena_bytes, memory.io_bytes
            code = with_needs(self.library.read_bytes(), CodeNeeds("llm_body", "llm_head", layout, *sizes))
            (folder / code_file(die.die, step)).write_bytes(code)


def bias() -> np.ndarray:
    """Every token's own bias; multiples of 1/256, so that sums are exact."""
    return (np.random.default_rng(7).integers(-256, 256, VOCAB) / 256).astype(np.float32)


def embedding_table() -> np.ndarray:
    """Row t begins with t, which is how the toy program recognizes a token."""
    return np.repeat(np.arange(VOCAB, dtype=np.float16)[:, None], HIDDEN, 1)


def reference_logits(tokens: Sequence[int]) -> np.ndarray:
    """What fake_program.c computes, on one die and all at once."""
    hidden = [sum(((h + 3) * t + (h + 1) * (p + 1)) % 251 for p, t in enumerate(tokens)) for h in range(HIDDEN)]
    mixed = 0
    for value in hidden:
        mixed = mixed * 31 + value
    scores = []
    for token in range(VOCAB):
        x = (mixed * 6364136223846793005 + token * 1442695040888963407) % 2**64
        x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) % 2**64
        scores.append((x ^ (x >> 33)) % 4096 / 256)
    return np.asarray(scores, np.float32) + bias()


def reference_greedy(tokens: Sequence[int], count: int) -> list[int]:
    """The likeliest tokens, one after the other."""
    text = list(tokens)
    for _ in range(count):
        text.append(int(reference_logits(text).argmax()))
    return text[len(tokens) :]


def write_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer: a token for each byte, and the special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: i for i, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [256, 258]}))
