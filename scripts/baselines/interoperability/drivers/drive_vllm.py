"""vLLM on the CPU: opens a folder, goes on greedily from each prompt and prints tokens and their log-probabilities.

python drive_vllm.py FOLDER DTYPE PROMPTS.json NEW_TOKENS
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def main(folder: str, dtype: str, prompts: str, new_tokens: str) -> None:
    """Generate; the last JSON line is the answer, vLLM's processes may log after it."""
    model = LLM(folder, dtype=dtype, max_model_len=256, max_num_seqs=4, enforce_eager=True, seed=0)
    given = [{"prompt_token_ids": ids} for ids in json.loads(Path(prompts).read_text(encoding="utf-8"))]
    greedy = SamplingParams(temperature=0, max_tokens=int(new_tokens), ignore_eos=True, logprobs=0)
    found = [answer.outputs[0] for answer in model.generate(given, greedy, use_tqdm=False)]
    tokens = [list(output.token_ids) for output in found]
    chosen = [
        [step[token].logprob for step, token in zip(output.logprobs, output.token_ids, strict=True)] for output in found
    ]
    print(f"\n{json.dumps({'tokens': tokens, 'logprobs': chosen})}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
