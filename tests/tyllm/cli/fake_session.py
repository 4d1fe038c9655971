"""A session without a model: a token is a character's code, and the answer to n tokens is the text '<n>'."""

from itertools import takewhile
from types import SimpleNamespace

from tyllm.runtime.generation.request import Request
from tyllm.runtime.generation.result import Result, Timings
from tyllm.runtime.prompt.prompt import Prompt
from tyllm_errors import GenerationError

LIMIT = 200  # tokens of the cache
PIECES_BEFORE_INTERRUPT = 1


class FakeConversation:
    """What lies in the cache."""

    def __init__(self):
        self.tokens = []
        self.appended = []  # lengths of what was fed apart from generate

    def append(self, prompt):
        self.appended.append(len(prompt))
        self.tokens += prompt.tokens

    def common(self, prompt):
        pairs = zip(self.tokens, prompt.tokens, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def rewind(self, length):
        del self.tokens[length:]

    def check(self, tokens):
        if len(self.tokens) + len(tokens) > LIMIT:
            raise GenerationError(f"{len(tokens)} tokens are more than the {LIMIT} that the cache holds.")


class FakeGeneration:
    """An iterator over the characters of the answer."""

    def __init__(self, pieces, interrupt, timings):
        self.result = Result(text="".join(pieces), token_ids=[1] * len(pieces), finish_reason="stop", timings=timings)
        self._pieces, self._interrupt = pieces, interrupt

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
        self.info = SimpleNamespace(architecture="Qwen2ForCausalLM", dies=2, seq_lens=(1, 4), visual=None)
        self.prompts = SimpleNamespace(
            of=lambda text, *images: encode(text),
            of_chat=lambda messages, **images: encode(render(messages)),
            has_placeholders=lambda text: False,
        )
        self.chat_template = None
        self.talk = FakeConversation()
        self.options = []
        self.interrupt = False

    def conversation(self):
        return self.talk

    def generate(self, prompt, stream, **options):
        assert stream
        tokens = prompt.tokens
        Request.of(options)
        self.options.append(options)
        kept = len(self.talk.tokens)
        assert self.talk.tokens == tokens[:kept]
        answer = f"<{len(tokens)}>"
        self.talk.tokens = tokens + [ord(c) for c in answer]
        interrupt, self.interrupt = self.interrupt, False
        return FakeGeneration(list(answer), interrupt, Timings(len(tokens) - kept, kept, 0.5, len(answer), 0.25))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
