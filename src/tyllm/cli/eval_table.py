"""An evaluation as tables for a person."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tyllm.cli.quantities import pluralized

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tyllm.evaluate import Closeness, Estimate, Evaluation


def draw_evaluation(console: "Console", found: "Evaluation", model: str, reference: str | None) -> None:
    """Print what was measured, of the model and of the reference side by side, and below how close they are."""
    from rich.markup import escape

    title = f"{found.tokens} tokens, {pluralized(found.windows, 'window')} of {found.window}, in {found.seconds:.1f} s"
    names = [model, reference] if reference else [model]
    table = _table(title, "", *map(escape, names))
    qualities = [each for each in (found.quality, found.reference) if each is not None]
    table.add_row("perplexity", *(_number(each.perplexity, 3) for each in qualities))
    table.add_row("top-1 right", *(_share(each.accuracy) for each in qualities))
    console.print(table)
    if found.closeness is not None:
        console.print(_closeness(found.closeness))


def _closeness(found: "Closeness") -> "Table":
    rows: Mapping[str, str] = {
        "KL divergence, nats a token": _number(found.divergence, 5),
        "its 99th percentile": f"{found.divergence_99:.5f}",
        "its maximum": f"{found.divergence_max:.5f}",
        "same top-1": _share(found.agreement),
        "right → wrong": str(found.lost),
        "wrong → right": str(found.gained),
        "perplexity × reference's": _number(found.perplexity_ratio, 5),
    }
    table = _table("How close to the reference", "", "")
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _table(title: str, *columns: str) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _number(estimate: "Estimate", digits: int) -> str:
    """'26.211 [25.871, 26.554]'."""
    value, low, high = (f"{each:.{digits}f}" for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} \\[{low}, {high}]"


def _share(estimate: "Estimate") -> str:
    """'97.2% [96.8%, 97.5%]'."""
    value, low, high = (f"{each:.1%}" for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} \\[{low}, {high}]"
