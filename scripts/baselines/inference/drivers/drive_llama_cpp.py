"""Measures llama.cpp through the C functions of its Python binding."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import numpy as np
from baselines.inference.drivers import measurement


@llama_cpp.llama_log_callback
def quiet(level: int, text: bytes, data: object) -> None:
    """Takes llama.cpp's many messages."""


class LlamaCpp:
    """A model and its context; flash attention off, which is the faster choice on these processors."""

    def __init__(self, model: Path, threads: int, capacity: int) -> None:
        llama_cpp.llama_log_set(quiet, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(os.fsencode(model), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {model}")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = capacity
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_n_batch(self.context)

    def generate(self, tokens: list[int], new: int, heard: Callable[[], None]) -> None:
        """As in `measurement.Engine`."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        for at in range(0, len(tokens), self.batch):
            self.decode(tokens[at : at + self.batch])
        for count in range(new):
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, -1), (self.vocabulary,))
            token = int(logits.argmax())
            heard()
            if count + 1 < new:
                self.decode([token])

    def decode(self, tokens: list[int]) -> None:
        """Run one batch."""
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        if status := llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(ids, len(tokens))):
            raise RuntimeError(f"llama_decode returned {status}")


if __name__ == "__main__":
    measurement.main(LlamaCpp)
