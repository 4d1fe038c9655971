"""The task that renders: transformers' environment, its sandbox, and no class but of plain values."""

import json
import pickle
from datetime import datetime, timedelta, timezone

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError, UndefinedError

from hf_messages.template_task import Values, prepare
from hf_messages.template_values import PLAIN_CLASSES, packed

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=timezone(timedelta(hours=1), "CET"))


def render(source, **variables):
    handler = prepare(json.dumps({"templates": {"default": source}, "classes": PLAIN_CLASSES}).encode())
    return handler(packed(("default", NOON, variables)))


def test_the_time_is_the_callers():
    assert render("{{ strftime_now('%d %b %Y %H:%M %Z') }}") == "30 Nov 2026 12:00 CET"


def test_json_of_a_template():
    assert render("{{ x | tojson }}{{ x | tojson(indent=1) }}", x={"a": "<ü>"}) == '{"a": "<ü>"}{\n "a": "<ü>"\n}'


def test_blocks_and_loop_controls():
    loop = "{% for x in [1, 2, 3] %}\n  {% if x == 2 %}{% continue %}{% endif %}\n"
    assert render(loop + "{% generation %}{{ x }}{% endgeneration %}\n{% endfor %}") == "13"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("{{ raise_exception('no') }}", TemplateError),
        ("{{ ''.__class__.x }}", SecurityError),
        ("{{ x.append(1) }}", SecurityError),
        ("{{ missing.x }}", UndefinedError),
        ("{{ strftime_now.__globals__.x }}", SecurityError),
    ],
)
def test_what_is_refused(source, error):
    with pytest.raises(error):
        render(source, x=[])


@pytest.mark.parametrize("request_", [b"\x80\x04\x8c\x02os\x8c\x06system\x93.", pickle.dumps(pickle.Pickler)])
def test_no_class_but_of_plain_values_is_read(request_):
    with pytest.raises(ValueError, match="is no plain value"):
        Values(request_, frozenset(PLAIN_CLASSES)).load()
