"""transformers' own loading: opens a folder, goes on greedily from each prompt, prints tokens and log-probabilities.

python drive_transformers.py FOLDER DTYPE PROMPTS.json NEW_TOKENS
"""

import importlib.machinery
import json
import sys
from pathlib import Path
from types import ModuleType

import torch
from transformers import AutoModelForCausalLM


def stand_in_for_torchvision() -> None:
    """Let gptqmodel, which transformers loads AWQ with, be imported.

    It imports torchvision, for a model with images, and does not ask for it; PyPI's torchvision needs a torch with
    CUDA. No name of it is used for text.
    """
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
        module = sys.modules[name] = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__path__ = []
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    sys.modules["torchvision.transforms.functional"].InterpolationMode = object


@torch.no_grad()
def main(folder: str, dtype: str, prompts: str, new_tokens: str) -> None:
    """Generate; the last line is JSON, with what loading said was missing and what the head has become."""
    stand_in_for_torchvision()
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), device_map="cpu", output_loading_info=True
    )
    ids = torch.tensor(json.loads(Path(prompts).read_text(encoding="utf-8")))
    start, chosen = ids.shape[1], []
    for _ in range(int(new_tokens)):
        best = model(ids).logits[:, -1].float().log_softmax(-1).max(-1)
        ids = torch.cat([ids, best.indices[:, None]], 1)
        chosen.append(best.values)
    head = model.get_output_embeddings()
    absent = sorted(name for name in loading["missing_keys"] if "head" in name)
    about = f"head is {type(head).__name__}, {' '.join(absent) or 'nothing of it'} missing"
    found = {"tokens": ids[:, start:].tolist(), "logprobs": torch.stack(chosen, 1).tolist(), "note": about}
    print(f"\n{json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
