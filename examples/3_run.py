"""Run a package: no torch, no TVM, no transformers are loaded.

python examples/3_run.py [PACKAGE] [PROMPT]
"""

import sys

from tyllm.runtime import Session

package = sys.argv[1] if len(sys.argv) > 1 else "./out/examples/tyllm-7m-AWQ-INT4-AOT/4die"
prompt = sys.argv[2] if len(sys.argv) > 2 else "The function returns"

with Session(package) as session:
    print(prompt, end="")
    for piece in session.generate(prompt, max_new_tokens=48, stream=True):
        print(piece, end="", flush=True)
    print()
