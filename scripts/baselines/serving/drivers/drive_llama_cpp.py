"""Measures llama.cpp through the C functions of its Python binding, with the batches that its server makes.

A batch holds the next token of every sequence that decodes, then tokens of prompts, up to the context's `n_batch`;
each sequence has a part of the KV cache of its own, as in llama-batched-bench.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
from baselines.serving.loads import measurement


@llama_cpp.llama_log_callback
def quiet(level: int, text: bytes, data: object) -> None:
    """Takes llama.cpp's many messages."""


@dataclass
class Sequence:
    """A request: its place in the KV cache, the tokens to feed next, those fed before, and the new ones to come."""

    place: int
    pending: list[int]
    left: int
    fed: int = 0


class LlamaCpp:
    """A model and its context; flash attention off, as in the comparison of single requests."""

    def __init__(self, model: Path, threads: int, streams: int, capacity: int) -> None:
        llama_cpp.llama_log_set(quiet, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(model), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {model}")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_seq_max = streams * capacity, streams
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.most = llama_cpp.llama_n_batch(self.context)
        self.batch = llama_cpp.llama_batch_init(self.most, 0, 1)
        self.running: dict[int, Sequence] = {}
        self.free = list(range(streams))

    def add(self, number: int, tokens: list[int], new: int) -> None:
        """As in `StreamEngine`."""
        place = self.free.pop()
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self.context), place, -1, -1)
        self.running[number] = Sequence(place, list(tokens), new)

    def step(self) -> list[tuple[int, int]]:
        """As in `StreamEngine`: one batch."""
        ends = self.fill()
        if status := llama_cpp.llama_decode(self.context, self.batch):
            raise RuntimeError(f"llama_decode returned {status}")
        for number, row in ends.items():
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, row), (self.vocabulary,))
            sequence = self.running[number]
            sequence.pending, sequence.left = [int(logits.argmax())], sequence.left - 1
            if not sequence.left:
                self.free.append(self.running.pop(number).place)
        return [(number, 1) for number in ends]

    def fill(self) -> dict[int, int]:
        """Write the batch; the last row of each request whose next token it gives."""
        ends, used = {}, 0
        for number, sequence in sorted(self.running.items(), key=lambda item: len(item[1].pending) > 1):
            part = sequence.pending[: self.most - used]
            del sequence.pending[: len(part)]
            for token in part:
                self.write(used, token, sequence)
                used += 1
            if part and not sequence.pending:
                ends[number] = used - 1
                self.batch.logits[used - 1] = 1
        self.batch.n_tokens = used
        return ends

    def write(self, row: int, token: int, sequence: Sequence) -> None:
        """One token of a sequence, without logits."""
        self.batch.token[row], self.batch.pos[row] = token, sequence.fed
        self.batch.n_seq_id[row], self.batch.seq_id[row][0] = 1, sequence.place
        self.batch.logits[row] = 0
        sequence.fed += 1


if __name__ == "__main__":
    measurement.main(LlamaCpp)
