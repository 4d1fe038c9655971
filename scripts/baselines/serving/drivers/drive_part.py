"""Measures one of the parts that TyLLM alone takes part in: `python drive_part.py PART PACKAGE …`; prints JSON."""

import argparse
import json
from pathlib import Path

from baselines.serving.parts import long_prompt, one_stream, prefix, score, steps
from baselines.serving.parts.part import Setting

PARTS = {
    "steps": steps.measure,
    "long-prompt": long_prompt.measure,
    "prefix": prefix.measure,
    "one-stream": one_stream.measure,
    "score": score.measure,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("package", type=Path)
    parser.add_argument("--vocabulary", type=int, required=True, help="token ids are drawn below this")
    parser.add_argument("--prompt", type=int, required=True, help="tokens")
    parser.add_argument("--new", type=int, required=True, help="tokens")
    parser.add_argument("--long-prompt", type=int, required=True, help="tokens")
    parser.add_argument("--prefix", type=int, required=True, help="tokens")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args())
    measure = PARTS[given.pop("part")]
    print(f"\n{json.dumps(measure(Setting(**given)))}", flush=True)
