"""Requests to the toy model, and what it says to them."""

from functools import cache

from fake_package import reference_logits


@cache
def next_token(tokens):
    return int(reference_logits(tokens).argmax())


def reference_greedy(prompt, count):
    """As `fake_package.reference_greedy`, with what was computed before."""
    text = tuple(prompt)
    for _ in range(count):
        text += (next_token(text),)
    return list(text[len(prompt) :])


def mixture(rng, count, longest=50):
    """Prompts that often share a beginning, with numbers of new tokens."""
    stems = [[rng.randrange(250) for _ in range(longest)] for _ in range(3)]
    for _ in range(count):
        stem = rng.choice(stems)[: rng.randrange(longest - 5)]
        yield [*stem, *(rng.randrange(250) for _ in range(rng.randrange(1, 5)))], rng.randrange(1, 30)
