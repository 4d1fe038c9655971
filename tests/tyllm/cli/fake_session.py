"""A session without a model: a token is a character's code, and the answer to n tokens is the text '<n>'."""

from itertools import takewhile
from types import SimpleNamespace

from tyllm.runtime.generation.request import Request
from tyllm.runtime.generation.result import Result, Timings
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_base.errors import GenerationError

LIMIT = 200  # tokens of the cache
PIECES_BEFORE_INTERRUPT = 1
STEP = 64  # tokens that a step feeds


class FakeGeneration:
    """Feeds the prompt, then is an iterator over the characters of the answer."""

    def __init__(self, session, prompt, interrupt):
        self._session, self._prompt, self._interrupt = session, prompt, interrupt
        pairs = zip(session.cached, prompt.tokens[:-1], strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._pieces = list(f"<{len(prompt)}>")
        timings = Timings(len(prompt) - kept, kept, 0.5, len(self._pieces), 0.25)
        self.result = Result("".join(self._pieces), [1] * len(self._pieces), "stop", [], timings, prompt[kept:].notes)

    def prefill(self, report):
        total = self.result.timings.prompt_tokens
        for done in range(STEP, total, STEP):
            report(done, total, "tokens")
        self._session.cached = [*self._prompt.tokens, *map(ord, self.result.text)]
        self._session.prefilled.append(total)

    def __iter__(self):
        for index, piece in enumerate(self._pieces):
            if self._interrupt and index == PIECES_BEFORE_INTERRUPT:
                raise KeyboardInterrupt
            yield piece


def encode(text):
    return Prompt([ord(character) for character in text])


def render(messages):
    return "".join(f"[{m['role'][0]}]{m['content']}" for m in messages) + "[a]"


class FakeSession:
    """Stands for `tyllm.runtime.Session`; `interrupt` makes the next answer end in a Ctrl-C after its first piece."""

    def __init__(self):
        self.info = SimpleNamespace(
            architecture="Qwen2ForCausalLM", dies=2, seq_lens=(1, 4), visual=None, max_kv_cache_size=LIMIT
        )
        self.prompt_builder = SimpleNamespace(
            of=lambda text, *images: encode(text),
            of_chat=lambda messages, **images: encode(render(messages)),
            has_placeholders=lambda text: False,
        )
        self.chat_template = None
        self.cached = []  # tokens in the cache
        self.prefilled = []  # tokens that each prefill fed
        self.options = []
        self.interrupt = False

    def generate(self, prompt, stream, **options):
        assert stream
        Request.of(options)
        if len(prompt) > LIMIT:
            raise GenerationError(f"{len(prompt)} tokens are more than the {LIMIT} that the cache holds.")
        self.options.append(options)
        interrupt, self.interrupt = self.interrupt, False
        return FakeGeneration(self, prompt, interrupt)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
