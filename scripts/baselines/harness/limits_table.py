"""The machine's limits as a table, and their spread over a run."""

from baselines.harness.limits import ARITHMETIC, READ
from baselines.harness.markdown import table
from baselines.harness.spread import Spread

TITLES = {READ: "reading memory"} | ARITHMETIC


def limit_spreads(limits: list[dict[str, float]]) -> dict[str, Spread]:
    """Spread of each limit over the times when it was measured."""
    kinds = dict.fromkeys(kind for measured in limits for kind in measured)
    spreads = {kind: Spread.of(measured[kind] for measured in limits if kind in measured) for kind in kinds}
    return {kind: spread for kind, spread in spreads.items() if spread}


def limits_table(limits: list[dict[str, float]]) -> str:
    """The limits measured between the rounds, median and range."""
    rows = [["limit of the machine", "median (least–greatest)"]]
    for kind, spread in limit_spreads(limits).items():
        unit = "GB/s" if kind == READ else "Gop/s"
        scaled = Spread(spread.median / 1e9, spread.low / 1e9, spread.high / 1e9)
        rows.append([TITLES[kind], f"{scaled.text()} {unit}"])
    return table(rows)
