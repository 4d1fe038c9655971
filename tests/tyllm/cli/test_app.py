"""The application has its commands, in the order in which a model passes through them."""

from tyllm.cli.app import app


def test_the_commands_in_order():
    names = [command.name for command in app.registered_commands]
    assert names == [
        "quantize",
        "compile",
        "run",
        "chat",
        "bench",
        "eval",
        "inspect",
        "sign",
        "verify",
        "doctor",
        "models",
    ]


def test_every_command_takes_json_and_debug(tyllm):
    for command in app.registered_commands:
        text = tyllm(command.name, "--help").out
        assert "--json" in text, command.name
        assert "--debug" in text, command.name


def test_no_arguments_show_the_help(tyllm):
    outcome = tyllm()
    assert "Exit codes" in outcome.out + outcome.err
