"""`tyllm inspect`: what is in a package, without running any of it."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tyllm.cli.print_result import print_result
from tyllm.cli.quantities import byte_size, pluralized
from tyllm.cli.shared_options import Debug, Json, Package

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHAPE = re.compile(r"(_\d.*|\d+)$")  # what follows a kernel's kind in its name


def inspect(package: Package, as_json: Json = False, debug: Debug = False) -> None:
    """Show what is in a package: sizes per die, dtypes, steps, buffers, where it came from.

    Example: `tyllm inspect out/quickstart/2die`
    """
    from tyllm.cli.package_contents import contents

    report = contents(package)

    def draw(console: "Console") -> None:
        _provenance(console, report)
        console.print(_dies(report))
        console.print(_programs(report))
        if report["visual"]:
            console.print(_visual(report["visual"]))
        console.print(_kernels(report))

    print_result(report, as_json, draw)


def _provenance(console: "Console", report: Mapping[str, Any]) -> None:
    quantization, target, source = report["quantization"], report["target"], report["source"]
    method = "none" if not quantization else "{method} INT{bits}, groups of {group_size}".format(**quantization)
    rows = {
        "package": f"{report['package']}, {byte_size(report['bytes'])}, format version {report['format_version']}",
        "model": f"{report['architecture']}, {report['layers']} layers, hidden {report['hidden_size']}, "
        f"vocabulary {report['vocab_size']}",
        "quantization": f"{method}; activations {report['activations']}",
        "compiled for": f"{pluralized(len(report['dies']), 'die')}, {target['name']} ({target['triple']})",
        "sizes": f"sequence lengths {', '.join(map(str, report['seq_lens']))}; batches of "
        f"{', '.join(map(str, report['batch_sizes'])) or 'one sequence'}; KV cache of "
        f"{report['max_kv_cache_size']} tokens, {report['kv_cache_dtype']}",
        "made from": f"{source['checkpoint']} (config.json {source['config_sha256'][:12]})",
        "built with": ", ".join(f"{name} {version}" for name, version in report["built_with"].items()),
    }
    for name, text in rows.items():
        console.print(f"[bold]{name:13}[/] ", end="")
        console.print(text, markup=False)


def _dtypes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{dtype} {byte_size(count)}" for dtype, count in sizes.items()) or "none"


def _table(title: str, *columns: str) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    return Table(*columns, title=title, title_justify="left", box=SIMPLE, padding=0, pad_edge=False)


def _dies(report: Mapping[str, Any]) -> "Table":
    table = _table("Dies", "die", "vocabulary", "parameters by dtype", "KV cache")
    for die in report["dies"]:
        rows = "–".join(map(str, die["vocabulary"]))
        table.add_row(str(die["die"]), rows, _dtypes(die["params_bytes"]), byte_size(die["kv_bytes"]))
    return table


def _visual(report: Mapping[str, Any]) -> "Table":
    table = _table("Vision tower", "die", "parameters by dtype", "code", "arena by size of image")
    for die in report["dies"]:
        arenas = ", ".join(f"{name} {byte_size(own['arena_bytes'])}" for name, own in die["programs"].items())
        table.add_row(str(die["die"]), _dtypes(die["params_bytes"]), byte_size(die["code_bytes"]), arenas)
    return table


def _programs(report: Mapping[str, Any]) -> "Table":
    titles = ("die", "step", "code", "constants", "arena", "io", "steps", "barriers", "reads")
    table = _table("Programs by step; reads: bytes of one pass", *titles)
    for die in report["dies"]:
        for step, program in _by_step(die).items():
            table.add_row(
                str(die["die"]),
                step,
                byte_size(program["code_bytes"]),
                byte_size(sum(program["constants_bytes"].values())),
                byte_size(program["arena_bytes"]),
                byte_size(program["io_bytes"]),
                str(program["steps"]),
                str(program["barriers"]),
                byte_size(program["bytes_read"]),
            )
    return table


def _kernels(report: Mapping[str, Any]) -> "Table":
    """Steps by kind of kernel, of die 0; the dies differ in shapes, not in steps."""
    from rich.markup import escape

    programs = {step: _kinds(program["kernels"]) for step, program in _by_step(report["dies"][0]).items()}
    table = _table("Kernel calls of die 0", "kernel", *programs)
    for kind in dict.fromkeys(kind for kinds in programs.values() for kind in kinds):
        table.add_row(escape(kind), *(str(kinds[kind]) for kinds in programs.values()))
    return table


def _by_step(die: Mapping[str, Any]) -> dict[str, Any]:
    """A die's programs by what a step of them takes."""
    alone = {f"{tokens} tokens": program for tokens, program in die["programs"].items()}
    return alone | {f"{sequences} sequences": program for sequences, program in die["batches"].items()}


def _kinds(kernels: Mapping[str, int]) -> Counter[str]:
    """Steps by kernel without its shape: linear_w4a8_1_896_128 and linear_w4a8_1_896_640 are linear_w4a8."""
    kinds: Counter[str] = Counter()
    for name, count in kernels.items():
        kinds[SHAPE.sub("", name)] += count
    return kinds
