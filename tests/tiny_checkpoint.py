"""A checkpoint of a few hundred kilobytes, written once, that tests copy and break."""

import json
import shutil

import numpy as np
from models.random_weights import shards, tensors, write_random_checkpoint, write_weights

from hf_checkpoint.safetensors_file import read_header, write_safetensors

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_act": "silu",
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
FILE = "model.safetensors"


def write_tiny(folder, **changes):
    """A float16 checkpoint of two layers: 4 query heads in 2 groups, biases, a tied head."""
    write_random_checkpoint(CONFIG | changes, folder)
    return folder


def copy_tiny(tiny, folder):
    """A copy to break."""
    shutil.copytree(tiny, folder)
    return folder


def shard(folder):
    """Spread the weights over shards with an index; returns the names of the shards."""
    (folder / FILE).unlink()
    write_weights(shards(tensors(CONFIG, "float16", 0), 100_000), folder)
    return sorted(path.name for path in folder.glob("model-*.safetensors"))


def edit_json(path, **changes):
    """Change fields of a JSON file; a value of None removes the field."""
    kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in changes}
    path.write_text(json.dumps(kept | {name: value for name, value in changes.items() if value is not None}))


def edit_tensor(folder, name, change):
    """Replace one tensor by `change(array)`, or remove it where that is None."""
    infos = read_header(folder / FILE)
    arrays = {key: np.array(info.read()) for key, info in infos.items()}
    changed = change(arrays.pop(name)) if name in arrays else change(None)
    if changed is not None:
        arrays[name] = changed
    write_safetensors(folder / FILE, arrays)


def quantize_by_rounding(folder, output, group_size=32, lm_head=False):
    """The AWQ INT4 checkpoint of a float one."""
    from awq import AutoAWQForCausalLM

    model = AutoAWQForCausalLM.from_pretrained(folder)
    config = {"zero_point": True, "q_group_size": group_size, "w_bit": 4, "version": "GEMM", "lm_head_enable": lm_head}
    model.quantize(None, quant_config=config, method="rtn")
    model.save_quantized(output)
    return output
