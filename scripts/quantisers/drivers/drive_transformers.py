"""transformers' own loading: opens a folder, goes on greedily from each prompt, prints tokens and log-probabilities.

python drive_transformers.py FOLDER DTYPE PROMPTS.json NEW_TOKENS
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


@torch.no_grad()
def main(folder: str, dtype: str, prompts: str, new_tokens: str) -> None:
    """Generate; the last line is JSON, with what loading said was missing and what the head has become."""
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
