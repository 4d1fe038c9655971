"""Writes packages of a toy model (fake_program.c) that hold everything a compiled one does, for 1 to many dies."""

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tyllm.native import FOLDER, compile_flags, link_flags, sources
from tyllm.package import (
    BufferConfig,
    DieBuffers,
    IoEntry,
    KvLayer,
    Manifest,
    ProgramMemory,
    Target,
    file_entries,
    write_params,
)
from tyllm.package.buffer_config import KEY_TILE
from tyllm.package.file_names import code_file, constants_file, params_file

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


@dataclass(frozen=True)
class Fake:
    """What to write: the compiled toy program and the settings of a package."""

    library: Path
    dies: int = 1
    seq_lens: tuple[int, ...] = (1, 8)
    max_kv_cache_size: int = 64
    embedding_as_input: bool = False

    @property
    def capacity(self) -> int:
        return -(-(self.max_kv_cache_size + max(self.seq_lens) - 1) // KEY_TILE) * KEY_TILE

    def write(self, folder: Path) -> Path:
        """The whole folder."""
        folder.mkdir(parents=True)
        dies = tuple(self._die(folder, die) for die in range(self.dies))
        BufferConfig(self.max_kv_cache_size, self.capacity, self.seq_lens, dies).write_buffer_config(folder)
        if self.embedding_as_input:
            write_params(folder / "embedding.params", {"embedding": embedding_table()})
        (folder / "config.json").write_text(json.dumps({"eos_token_id": 257}))
        (folder / "empty.bin").write_bytes(b"")
        write_tokenizer(folder)
        self.write_manifest(folder)
        return folder

    def write_manifest(self, folder: Path) -> None:
        """The manifest for the files as they are now."""
        Manifest(
            tyllm_version="test", architecture="ToyForCausalLM", model_type="toy", vocab_size=VOCAB,
            hidden_size=HIDDEN, layers=1, dies=self.dies, seq_lens=self.seq_lens,
            max_kv_cache_size=self.max_kv_cache_size, embedding_as_input=self.embedding_as_input,
            activations="float16", quantization=None,
            target=Target("plain", f"{platform.machine()}-linux-gnu"),
            exports={"body": "llm_body", "head": "llm_head"}, built_with={}, source={}, files=file_entries(folder),
        ).write_manifest(folder)  # fmt: skip

    def _die(self, folder: Path, die: int) -> DieBuffers:
        first, stop = VOCAB * die // self.dies, VOCAB * (die + 1) // self.dies
        (folder / "batch_1").mkdir(exist_ok=True)
        write_params(folder / params_file(die), {"bias": bias()[first:stop]})
        programs = {seq_len: self._program(folder, die, seq_len, first, stop) for seq_len in self.seq_lens}
        layer = KvLayer(k_offset=0, v_offset=2 * self.capacity, kv_heads=1, head_dim=1, v_head_dim=1)
        return DieBuffers(die, (first, stop), 4 * self.capacity, (layer,), programs)

    def _program(self, folder: Path, die: int, seq_len: int, first: int, stop: int) -> ProgramMemory:
        io, end = {}, 0
        source = ("embeddings", (1, seq_len, HIDDEN), "float32")
        entries = [source if self.embedding_as_input else ("tokens", (1, seq_len), "int64"),
                   ("positions", (1, seq_len), "int64"), ("position", (1,), "int64"), ("row", (1,), "int64"),
                   ("first_token", (1,), "int64"), ("logits", (stop - first,), "float32")]  # fmt: skip
        for name, shape, dtype in entries:
            io[name] = IoEntry(end, shape, dtype)
            end += -(-io[name].nbytes // 64) * 64
        inputs = io["embeddings" if self.embedding_as_input else "tokens"]
        names = ("positions", "position", "row", "first_token", "logits")
        places = [inputs.offset, *(io[name].offset for name in names)]
        setup = [die, self.dies, seq_len, stop - first, self.capacity, HIDDEN, self.embedding_as_input, *places]
        (folder / constants_file(die, seq_len)).parent.mkdir(exist_ok=True)
        write_params(folder / constants_file(die, seq_len), {"setup": np.asarray(setup, np.int64)})
        (folder / code_file(die, seq_len)).write_bytes(self.library.read_bytes())
        return ProgramMemory(arena_bytes=4 * seq_len * HIDDEN, io_bytes=end, io=io)


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
