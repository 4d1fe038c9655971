"""Prompts of text, token ids, embeddings and chats, with and without images."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.package import Visual
from tyllm.runtime.prompt.prompt_builder import PromptBuilder
from tyllm.runtime.prompt.video_input import VideoInput
from tyllm_base.errors import GenerationError, ImageError

IMAGE, VIDEO = ord("I"), ord("V")
VISUAL = Visual(1, (0,), (), 2, {"image": IMAGE, "video": VIDEO}, None)


class FakeVision:
    """An image is its name; it becomes as many tokens as the name has letters."""

    visual = VISUAL

    def image(self, source, fit):
        return self._fitted(source, 1, fit, None)

    def video(self, video, fit):
        return self._fitted(video.video, 2, fit, 1.0)

    def embeddings(self, fitted):
        return np.zeros((fitted.tokens, 4), np.float32)

    def _fitted(self, name, times, fit, seconds):
        grid = times, 2, 2 * len(name)
        return SimpleNamespace(
            grid=grid, tokens=times * len(name), digest=f"{name} {fit}", seconds_per_grid=seconds, message=None
        )


def tokenizer():
    return SimpleNamespace(
        encode=lambda text, add_special_tokens=True: [0] * add_special_tokens + [ord(letter) for letter in text],
        decode=lambda tokens, skip_special_tokens: chr(tokens[0]),
    )


def template():
    marks = {"image": "I", "video": "V"}

    def render(messages, tools=None, **options):
        contents = [message["content"] for message in messages]
        parts = chain.from_iterable([content] if isinstance(content, str) else content for content in contents)
        return "".join(part if isinstance(part, str) else marks.get(part["type"]) or part["text"] for part in parts)

    return SimpleNamespace(render=render)


def prompts(vision):
    info = SimpleNamespace(
        visual=VISUAL if vision else None,
        hidden_size=4,
        vocab_size=128,
        architecture="Qwen2ForCausalLM",
        max_kv_cache_size=64,
    )
    return PromptBuilder(info, vision, tokenizer, template)


SEEING, BLIND = prompts(FakeVision()), prompts(None)


def test_text_and_tokens_without_images():
    for made in (SEEING, BLIND):
        assert made.of("ab").tokens == [0, 97, 98]
        assert made.of([5, 6]).tokens == [5, 6]
        assert made.of(np.zeros((2, 4), np.float32)).tokens == [-1, -1]
        assert made.of_chat([{"role": "user", "content": [{"type": "text", "text": "ab"}]}]).tokens == [97, 98]
        assert made.of(made.of("a")).tokens == [0, 97]
        assert made.of("ab").seconds == 0


def test_images_of_a_text():
    made = SEEING.of("aIbV", ["cat"], [{"video": "dog", "fps": 2}], "resize")
    assert made.tokens == [0, 97, *[IMAGE] * 3, 98, *[VIDEO] * 6]
    assert [insert.digest for insert in made.inserts] == ["cat resize", "dog resize"]
    assert made.seconds > 0


def test_images_of_a_chat_come_before_those_beside_it():
    parts = [{"type": "image", "image": "cat"}, {"type": "video", "video": "dog"}, {"type": "text", "text": "aI"}]
    made = SEEING.of_chat([{"role": "user", "content": parts}], images=["ox"])
    assert made.tokens == [*[IMAGE] * 3, *[VIDEO] * 6, 97, *[IMAGE] * 2]
    assert SEEING.of_chat([{"role": "user", "content": "V"}], videos=[VideoInput("ox")]).tokens == [VIDEO] * 4


def test_whether_a_text_has_placeholders():
    assert SEEING.has_placeholders("an I") and SEEING.has_placeholders("V")
    assert not SEEING.has_placeholders("none") and not BLIND.has_placeholders("I")


def test_mistakes():
    with pytest.raises(GenerationError, match="1 placeholder I for 0 images"):
        SEEING.of("I")
    for ask in (lambda: BLIND.of("I", ["cat"]), lambda: BLIND.of_chat([{"role": "user", "content": ""}], videos=["a"])):
        with pytest.raises(ImageError, match=r"compiled from a text model \(Qwen2ForCausalLM\) and takes no images"):
            ask()


def test_the_cure_of_a_chat_is_not_to_give_a_chat():
    """Whoever gave one has done what the sentence for a text says; a template may write no placeholders."""
    image = [{"role": "user", "content": [{"type": "image", "image": "cat"}]}]
    silent = PromptBuilder(SEEING._info, FakeVision(), tokenizer, lambda: SimpleNamespace(render=lambda *_, **__: "a"))
    with pytest.raises(
        GenerationError, match=r"The chat has 0 placeholders I for 1 image; put each .* chat template\.$"
    ):
        silent.of_chat(image)
    with pytest.raises(GenerationError, match=r"The prompt has 0 placeholders I for 1 image; write one .* in them\.$"):
        silent.of("a", ["cat"])


@pytest.mark.parametrize("made", [SEEING, BLIND])
def test_a_tokenizer_of_another_model(made):
    for ask in (lambda: made.of("aé"), lambda: made.of_chat([{"role": "user", "content": "aé"}])):
        with pytest.raises(GenerationError, match=r"makes token 233 of this text, and the model has 128 tokens; give"):
            ask()


@pytest.mark.parametrize("made", [SEEING, BLIND])
def test_a_template_that_makes_nothing(made):
    with pytest.raises(GenerationError, match="The chat template makes nothing of these messages"):
        made.of_chat([{"role": "user", "content": ""}])


def test_images_that_cannot_fit_or_have_no_place_are_not_decoded():
    class Blind(FakeVision):
        def image(self, source, fit):
            raise AssertionError(source)

        video = image

    made = prompts(Blind())
    with pytest.raises(GenerationError, match="100 images or videos of at least 1 tokens each do not fit into the 64"):
        made.of([IMAGE] * 100, ["cat"] * 100)
    with pytest.raises(GenerationError, match="1 placeholder I for 5000 images"):
        made.of([IMAGE], ["cat"] * 5000)
    with pytest.raises(GenerationError, match="0 placeholders V for 1 video"):
        made.of([1], videos=["dog"])
