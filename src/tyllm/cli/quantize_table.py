"""A quantization's plan and its outcome as tables for a person."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tyllm.cli.quantities import byte_size, pluralized

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WORST = 3  # layers that are named


def draw_plan(console: "Console", plan: Mapping[str, Any], warning: str | None) -> None:
    """Print what the run will do and need."""
    table = _table("Plan")
    table.add_row("layers", f"{plan['layers']}, {_by_bits(plan['linears'])}")
    table.add_row("weights", f"{plan['weights'] / 1e9:.3g} billion, {plan['bits_per_weight']:.3f} bits where quantized")
    if plan["vision_linears"]:
        table.add_row("vision tower", _by_bits(plan["vision_linears"]))
    table.add_row("calibration", _calibration(plan))
    table.add_row("result", byte_size(plan["output"]))
    if plan["memory"] is not None:
        table.add_row("memory", f"about {byte_size(plan['memory'])}{_free(plan['free_memory'])}")
    table.add_row("disk", f"at most {byte_size(plan['disk'])}{_free(plan['free_disk'])}")
    console.print(table)
    if warning:
        console.print(f"Warning: {warning}", markup=False)


def _calibration(plan: Mapping[str, Any]) -> str:
    """'8192 tokens, 20 images among them'."""
    images = f", {pluralized(plan['images'], 'image')} among them" if plan["images"] else ""
    return pluralized(plan["tokens"], "token") + images if plan["tokens"] else "none"


def _by_bits(linears: Mapping[int, int]) -> str:
    """'13 linear layers of 4 bits, 2 of float16'."""
    names = [f"{count} of {'float16' if bits == 16 else f'{bits} bits'}" for bits, count in linears.items()]
    return "linear layers: " + ", ".join(names)


def _free(count: int | None) -> str:
    return "" if count is None else f" of {byte_size(count)} free"


def draw_result(console: "Console", result: Mapping[str, Any]) -> None:
    """Print what was written and how close it is to the original."""
    from rich.markup import escape

    table = _table(escape(result["checkpoint"]), "before", "after")
    table.add_row("size", byte_size(result["original_bytes"]), byte_size(result["bytes"]))
    if "evaluation" in result:
        _add_evaluation(table, result["evaluation"])
    console.print(table)
    for line in _lines(result):
        console.print(line, markup=False)


def _add_evaluation(table: "Table", found: Mapping[str, Any]) -> None:
    """Rows for perplexity and closeness, each with what it means."""
    before, after, close = found["reference"], found["quality"], found["closeness"]
    table.add_row("perplexity", f"{before['perplexity']['value']:.3f}", f"{after['perplexity']['value']:.3f}")
    table.add_row("top-1 right", f"{before['accuracy']['value']:.1%}", f"{after['accuracy']['value']:.1%}")
    divergence = close["divergence"]
    interval = f"{divergence['value']:.5f} \\[{divergence['low']:.5f}, {divergence['high']:.5f}]"
    table.add_row("KL divergence, nats a token", "", interval)
    table.add_row("its 99th percentile", "", f"{close['divergence_99']:.5f}")
    table.add_row("same top-1", "", f"{close['agreement']['value']:.1%}")


def _lines(result: Mapping[str, Any]) -> list[str]:
    """Time, layers kept in higher precision, largest errors and the comparison, a sentence a line."""
    peak = "" if result["peak_memory"] is None else f", {byte_size(result['peak_memory'])} of memory at its peak"
    lines = [f"It took {result['seconds']:.1f} s{peak}."]
    if kept := result["overrides"]:
        bits = {"float16" if value is None else f"{value} bits" for value in kept.values()}
        lines.append(f"{pluralized(len(kept), 'linear layer')} kept at {' and '.join(sorted(bits))} within the budget.")
    worst = sorted(result["report"]["linears"], key=lambda linear: -linear["error"])[:WORST]
    if worst:
        named = ", ".join(f"{linear['name']} {linear['error']:.2%}" for linear in worst)
        lines.append(f"Largest errors (of {result['report']['measure']}, squared): {named}.")
    if "not_evaluated" in result:
        lines.append(f"Not compared with the original: {result['not_evaluated']}")
    if "evaluation" in result:
        found = result["evaluation"]
        lines.append(f"Compared on {found['tokens']} tokens of held-out text, in {found['seconds']:.1f} s.")
    return lines


def _table(title: str, *columns: str) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False, show_header=bool(columns)
    )
    table.add_column("")
    for column in columns or ("",):
        table.add_column(column, justify="right" if columns else "left", overflow="fold")
    return table
