"""Numbers as a person reads them: bytes in the unit that fits, a count with its noun."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def byte_size(count: float) -> str:
    """A number of bytes in the unit that reads best: 1536 → '1.5 KiB'."""
    power = 0
    while count >= 1024 and power < len(UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} {UNITS[power]}" if power == 0 else f"{count:.1f} {UNITS[power]}"


def pluralized(count: int, noun: str) -> str:
    """A number with its noun: '1 die', '2 dies'."""
    return f"{count} {noun}{'s' * (count != 1)}"
