"""Templates render as before, and those of a hostile world end in a sentence within seconds, this process alive."""

import os
import signal
import time

import pytest
from tests.hostile_templates import HOSTILE_TEMPLATES, SAMPLE

from hf_messages.chat_renderer import LONGEST_SOURCE, ChatRenderer
from tyllm_base.errors import GenerationError, PackageError, TyllmError
from tyllm_base.isolated_process import IsolatedProcess

MESSAGES = [{"role": "user", "content": "Grüße"}, {"role": "assistant", "content": "Hi"}]


def refuse(wrong: str) -> PackageError:
    return PackageError(f"The template {wrong}.")


def renderer(source) -> ChatRenderer:
    return ChatRenderer(source if isinstance(source, dict) else {"default": source}, refuse)


def render(source, **variables) -> str:
    found = renderer(source)
    try:
        return found.render({"messages": MESSAGES, "tools": None, **variables})
    finally:
        found.close()


def test_text_and_choice_of_templates():
    assert (
        render("{% for m in messages %}{{ m.role }}: {{ m['content'] }};{% endfor %}") == "user: Grüße;assistant: Hi;"
    )
    both = {"tool_use": "tools", "default": "plain"}
    assert (render(both), render(both, tools=[{}]), render({"rag": "first"})) == ("plain", "tools", "first")


def test_the_process_is_kept_and_can_be_closed():
    found = renderer("{{ messages[0].content }}")
    texts = [found.render({"messages": [{"content": str(number)}]}) for number in range(3)]
    found.close()
    assert [*texts, found.render({"messages": [{"content": "again"}]})] == ["0", "1", "2", "again"]
    found.close()


def test_a_template_that_is_none():
    with pytest.raises(PackageError, match=r"The template is not Jinja \(.*launch"):
        renderer("{% launch %}")
    with pytest.raises(PackageError, match="is 600,000 characters long, more than the 524,288"):
        renderer("x" * 600_000)
    assert LONGEST_SOURCE == 524_288


def test_a_long_chat_is_no_attack():
    long = "x" * 20_000_000
    assert render("{{ messages[0].content }}", messages=[{"content": long}]) == long


def test_the_system_starts_no_process(monkeypatch):
    def fails(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", fails)
    with pytest.raises(PackageError, match=r"in a process of its own, and the system started none \(Resource"):
        renderer("x")


def test_a_killed_process_is_a_sentence_and_the_next_chat_renders():
    found = renderer("{{ messages|length }}")
    assert found.render({"messages": MESSAGES}) == "2"
    process: IsolatedProcess = found._process
    os.kill(process._process._popen.pid, signal.SIGKILL)
    with pytest.raises(GenerationError, match="The chat template was killed by the system"):
        found.render({"messages": MESSAGES})
    assert found.render({"messages": MESSAGES}) == "2"
    found.close()


def outcome(source: str) -> str:
    """What becomes of a template, and that it takes no longer than it may."""
    started = time.monotonic()
    try:
        render(source)
    except TyllmError as error:
        found = str(error)
    else:
        found = "rendered"
    assert time.monotonic() - started < 30  # 3 s where no one else computes
    return found


@pytest.mark.parametrize("name", SAMPLE)
def test_a_hostile_template_ends_in_a_sentence(name):
    found = outcome(HOSTILE_TEMPLATES[name])
    assert found != "rendered"
    assert "\n" not in found
    assert len(found) < 1000


@pytest.mark.skipif(not os.environ.get("HOSTILE"), reason="minutes; HOSTILE=1 tries all")
@pytest.mark.parametrize("name", sorted(HOSTILE_TEMPLATES.keys() - set(SAMPLE)))
def test_all_hostile_templates_end(name):
    outcome(HOSTILE_TEMPLATES[name])
