"""Runs llama.cpp's converter on a model whose tokenizer it does not know: `python convert_to_gguf.py TREE ARGUMENTS…`.

The converter recognizes tokenizers by the hash of a text; ours is split like Qwen2's.
"""

import runpy
import sys
from pathlib import Path

tree = Path(sys.argv[1])
sys.path[:0] = [str(tree), str(tree / "gguf-py")]
from conversion import base  # noqa: E402

base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
sys.argv = [str(tree / "convert_hf_to_gguf.py"), *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
