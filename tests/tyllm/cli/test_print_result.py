"""Results as JSON or as text for a person."""

import json

from tyllm.cli.print_result import print_result


def test_json_is_the_whole_of_stdout(capsys):
    print_result({"text": "naïve"}, True, lambda console: console.print("not this"))
    assert json.loads(capsys.readouterr().out) == {"text": "naïve"}


def test_a_person_gets_text(capsys):
    print_result({"text": "x"}, False, lambda console: console.print("hello"))
    assert capsys.readouterr().out == "hello\n"
