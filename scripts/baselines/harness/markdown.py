"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row is the heading; the first column is text, the others are figures."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|---|{'---:|' * (head.count('|') - 2)}", *body])
