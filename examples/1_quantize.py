"""Quantize a checkpoint to INT4 in AutoAWQ's format, the output projection included.

python examples/1_quantize.py [CHECKPOINT] [OUTPUT]
"""

import sys

from transformers import AutoTokenizer

from awq import AutoAWQForCausalLM

model_path = sys.argv[1] if len(sys.argv) > 1 else "models/tyllm-7m"
quant_path = sys.argv[2] if len(sys.argv) > 2 else "./out/examples/tyllm-7m-AWQ-INT4"

tokenizer = AutoTokenizer.from_pretrained(model_path, trust_remote_code=True, cache_dir="./")
model = AutoAWQForCausalLM.from_pretrained(model_path, torch_dtype="float16", cache_dir="./")

quant_config = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
model.quantize(tokenizer, quant_config=quant_config)
model.save_quantized(quant_path)
tokenizer.save_pretrained(quant_path)
print(f"quantized: {quant_path}")
