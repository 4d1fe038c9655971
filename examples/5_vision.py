"""Compile a vision-language model for four dies, its vision tower for three, and ask about an image.

python examples/5_vision.py [CHECKPOINT] [IMAGE]
"""

import sys

from tyllm.build_util import build_and_compile_vlm
from tyllm.runtime import Session

model_dir = sys.argv[1] if len(sys.argv) > 1 else "models/tyllm-vl-4m"
image = sys.argv[2] if len(sys.argv) > 2 else "examples/image.png"
num_die = 4
prefill_lens = 96  # prompts, images included, go through in steps of 96 tokens
max_model_len = 2048  # tokens that a conversation can hold: the positions that the small model has; the manual has 4096
input_size = (112, 168)  # height and width; the manual's is (540, 960)
save_dir = f"./out/examples/tyllm-vl-AOT_{input_size[1]}x{input_size[0]}_{max_model_len}"

package = build_and_compile_vlm(
    model_path=model_dir,
    artifacts_path=save_dir,
    image_sizes=[input_size],
    max_kv_cache_size=max_model_len,
    seq_len_list=[1, prefill_lens],
    dev_count=num_die,
    visual_dies=3,
    die_order=[1, 2, 3, 0],  # the manual's LM_die_remap: the physical die of each part, the main one first
    visual_die_order=[3, 2, 1],  # the manual's VM_die_remap
)
question = "<|vision_start|><|image_pad|><|vision_end|>Describe the picture."
prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
with Session(package) as session:
    print(session.generate(prompt, images=[image], max_new_tokens=64).text)
