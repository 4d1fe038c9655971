"""Ask two questions: the second turn feeds only what is new, the rest is still in the KV cache.

python examples/4_chat.py [PACKAGE]
"""

import sys

from tyllm.runtime import Session

package = sys.argv[1] if len(sys.argv) > 1 else "./out/examples/tyllm-7m-AWQ-INT4-AOT/4die"
messages = [{"role": "system", "content": "You answer in one sentence."}]

with Session(package) as session:
    for question in ("What is a tuple?", "And what is a list?"):
        messages.append({"role": "user", "content": question})
        answer = session.chat(messages, max_new_tokens=48)
        messages.append({"role": "assistant", "content": answer.text})
        print(f"> {question}\n{answer.text}")
        timings = answer.timings
        print(f"[{timings.prompt_tokens} tokens fed, {timings.cached_tokens} were in the cache]\n")
