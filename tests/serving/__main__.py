"""`python -m tests.serving`: many requests over the small trained model; compared, aborted, and the process watched.

Then as many texts are drawn without drafts, with prompt lookup and with a draft model, and the distributions compared.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.serving.long_use import known_requests, lines, use
from tests.serving.sampled_tokens import compare

from tyllm.build_util import build_and_compile_llm

REPO = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print what came of it; 1 where texts or distributions differ, memory grows, threads or descriptors are left."""
    parser = argparse.ArgumentParser(prog="python -m tests.serving", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--aborts", type=int, default=1_000, help="about so many end early, half of them by name")
    parser.add_argument("--samples", type=int, default=20_000, help="texts of each distribution; 0 for none")
    parser.add_argument(
        "--package", type=Path, help="with float activations and batches; None compiles the small model"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        package = given.package
        if package is None:
            package = Path(folder) / "package"
            build_and_compile_llm(REPO / "models" / "tyllm-7m", package, max_kv_cache_size=256,
                                  activations="float16", batch_sizes=(8,))  # fmt: skip
        likely = compare(package, given.samples, report=print)
        known = known_requests(package, 64, 96, 24)
        every = max(1, given.requests // 20)
        found = asyncio.run(use(package, known, given.requests, given.aborts, every, report=print, max_num_seqs=16))
    print("\n".join(lines(found)))
    steady = {(level.threads, level.descriptors) for level in found.levels[len(found.levels) // 3 :]}
    return int(not likely or found.different > 0 or found.growth() > 1024 or len(steady) > 2)


sys.exit(main())
