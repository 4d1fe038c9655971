"""Chat templates give the text that Hugging Face transformers gives, and cannot leave their sandbox."""

import json
import re
from datetime import datetime
from types import SimpleNamespace

import pytest
from jinja2 import TemplateError
from tests.template_idioms import IDIOMS

from tyllm.runtime.prompt.chat_template import ChatTemplate
from tyllm_base.errors import GenerationError, PackageError

MESSAGES = [
    {"role": "system", "content": "Be <brief> & 'kind'."},
    {"role": "user", "content": "Grüße"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": [{"type": "text", "text": "Bye"}]},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "<ü>", "parameters": {}}}]
TEMPLATES = [
    "{% for m in messages %}\n  {%- if m.role == 'system' %}{% continue %}{% endif %}\n"
    "[{{ m.role }}] {{ m | tojson }}\n{% endfor %}\n{% if add_generation_prompt %}>{% endif %}",
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{{ eos_token }}{% endfor %}",
    "{% if tools %}{{ tools | tojson(indent=2) }}{% endif %}{% set ns = namespace(n=0) %}{% for m in messages %}"
    "{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ think | default('no') }}",
]


CALL = {"name": "f", "arguments": {"city": "Köln", "days": 2, "deep": [None, True]}}
CALLS = [
    {"role": "system", "content": " Be kind. "},
    {"role": "user", "content": "What's the weather in Köln & <Bonn>?"},
    {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
    {"role": "tool", "content": '{"t": 3}', "name": "f"},
    {"role": "assistant", "content": "<think>hm</think>\n\nIt is 3 °C."},
    {"role": "user", "content": "Thanks 🙂"},
]  # fmt: skip


@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("chat", [CALLS, CALLS[:2], CALLS[1:2], MESSAGES], ids=["calls", "system", "user", "parts"])
@pytest.mark.parametrize("idiom", IDIOMS)
def test_idioms_of_well_known_families_as_transformers(tmp_path, idiom, chat, tools):
    utilities = pytest.importorskip("transformers.utils.chat_template_utils")
    options = {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": False}
    given = {"chat_template": IDIOMS[idiom], "tools": tools, "add_generation_prompt": True, **options}
    template = package(tmp_path, IDIOMS[idiom])
    try:
        (expected,), _ = utilities.render_jinja_template([chat], **given)
    except TemplateError as error:
        with pytest.raises(GenerationError, match=re.escape(str(error))):
            template.render(chat, tools=tools, enable_thinking=False)
    else:
        assert template.render(chat, tools=tools, enable_thinking=False) == expected
        assert len(expected) > 40


def package(folder, template, name="chat_template.jinja"):
    special = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    if name.endswith(".json"):
        special["chat_template"] = template
    else:
        (folder / name).write_text(template)
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return ChatTemplate(folder)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("prompted", [True, False])
def test_text_is_that_of_transformers(tmp_path, template, prompted):
    utilities = pytest.importorskip("transformers.utils.chat_template_utils")
    expected, _ = utilities.render_jinja_template(
        [MESSAGES], chat_template=template, tools=TOOLS, add_generation_prompt=prompted,
        bos_token="<s>", eos_token="</s>", think="yes",
    )  # fmt: skip
    ours = package(tmp_path, template).render(MESSAGES, tools=TOOLS, add_generation_prompt=prompted, think="yes")
    assert ours == expected[0]


def test_a_template_within_tokenizer_config(tmp_path):
    assert package(tmp_path, "{{ eos_token }}", "tokenizer_config.json").render(MESSAGES) == "</s>"


def test_several_templates_one_of_them_for_tools(tmp_path):
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    template = package(tmp_path, named, "tokenizer_config.json")
    assert template.render(MESSAGES) == "plain"
    assert template.render(MESSAGES, tools=TOOLS) == "tools"


def test_today(tmp_path):
    assert package(tmp_path, "{{ strftime_now('%Y') }}").render(MESSAGES) == str(datetime.now().astimezone().year)


def test_a_template_that_refuses(tmp_path):
    template = package(tmp_path, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(GenerationError, match="refuses these messages: roles must alternate"):
        template.render(MESSAGES)


@pytest.mark.parametrize("escape", ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ messages[0].x.y }}"])
def test_a_template_stays_in_its_sandbox(tmp_path, escape):
    with pytest.raises(GenerationError, match="refuses these messages"):
        package(tmp_path, escape).render(MESSAGES)


def test_what_is_no_template(tmp_path):
    with pytest.raises(PackageError, match="has no chat template"):
        ChatTemplate(tmp_path)
    with pytest.raises(PackageError, match="is not Jinja"):
        package(tmp_path, "{% if %}")


@pytest.mark.parametrize(
    "wrong", [3, True, [3], [{"name": "x"}], [{"template": "x"}], {"default": 3}, [{"name": 3, "template": "x"}]]
)
def test_a_template_of_another_type(tmp_path, wrong):
    with pytest.raises(PackageError, match="neither text nor a list of names and templates"):
        package(tmp_path, wrong, "tokenizer_config.json")


def test_several_templates_as_an_object(tmp_path):
    template = package(tmp_path, {"tool_use": "tools", "default": "plain"}, "tokenizer_config.json")
    assert (template.render(MESSAGES), template.render(MESSAGES, tools=TOOLS)) == ("plain", "tools")


def test_the_files_encoding(tmp_path):
    (tmp_path / "chat_template.jinja").write_bytes(b"\xef\xbb\xbf{{ messages|length }}")
    assert ChatTemplate(tmp_path).render(MESSAGES) == "4"
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe{{ 1 }}")
    with pytest.raises(PackageError, match=r"chat_template\.jinja is not UTF-8"):
        ChatTemplate(tmp_path)


def test_a_template_without_end(tmp_path):
    template = package(tmp_path, "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    with pytest.raises(GenerationError, match=r"took (more|longer) than .* s.*; correct it, or give text"):
        template.render(MESSAGES)
    template.close()


def test_values_that_are_no_text(tmp_path):
    template = package(tmp_path, "{{ day.strftime('%d') }} {{ messages[0].tool.name }} {{ tools|length }}")
    message = {"role": "user", "content": "x", "tool": SimpleNamespace(name="f")}
    assert template.render([message], tools=(1, 2), day=datetime(2026, 11, 30)) == "30 f 2"
    with pytest.raises(GenerationError, match="a function, which a chat template cannot use"):
        template.render(MESSAGES, tools=[package])


def test_no_messages(tmp_path):
    with pytest.raises(GenerationError, match="no messages"):
        package(tmp_path, "x").render([])
