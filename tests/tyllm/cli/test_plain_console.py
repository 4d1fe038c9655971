"""What is printed cannot steer the terminal; the console's own styles do."""

from rich.table import Table

from tyllm.cli.plain_console import plain_console


def test_names_are_escaped_in_lines_and_tables(capsys):
    console = plain_console()
    console.print("a\x1b[31mb :smile:", markup=False)
    table = Table("head\x9b")
    table.add_row("cell\x07\x1b]0;title\x07")
    console.print(table)
    out = capsys.readouterr().out
    assert "a\\x1b[31mb :smile:" in out and "head\\x9b" in out and "\\x1b]0;title" in out
    assert not set(out) & {"\x1b", "\x07", "\x9b"}


def test_styles_stay(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    plain_console().print("[bold]x[/]\x1b")
    assert capsys.readouterr().out == "\x1b[1mx\x1b[0m\\x1b\n".replace("\\x1b\n", "\\x1b\n")
