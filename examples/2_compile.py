"""Compile the quantized checkpoint for four dies.

python examples/2_compile.py [CHECKPOINT] [DIES]
"""

import sys

from tyllm.build_util import build_and_compile_llm

quant_path = sys.argv[1] if len(sys.argv) > 1 else "./out/examples/tyllm-7m-AWQ-INT4"
aot_path = f"{quant_path}-AOT"
prefill_seq_len = 8  # prompts go through in steps of 8 tokens
max_kv_cache_size = 4096  # tokens that a conversation can hold
die_num = int(sys.argv[2]) if len(sys.argv) > 2 else 4
embedding_as_input = False  # the embedding table is looked up on the dies

build_and_compile_llm(
    model_path=quant_path,
    artifacts_path=f"{aot_path}/{die_num}die",
    max_kv_cache_size=max_kv_cache_size,
    seq_len_list=[1, prefill_seq_len],
    dev_count=die_num,
    embedding_as_input=embedding_as_input,
)
print(f"compiled: {aot_path}/{die_num}die")
