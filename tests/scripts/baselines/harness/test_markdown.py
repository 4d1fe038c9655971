"""Tables in Markdown."""

from baselines.harness.markdown import table


def test_the_first_column_is_text_and_the_others_are_figures():
    assert table([["engine", "pp96", "size"], ["ours", "1", "–"]]) == "\n".join([
        "| engine | pp96 | size |",
        "|---|---:|---:|",
        "| ours | 1 | – |",
    ])  # fmt: skip
