"""The packages that the distribution requires, by extra, and which of them are installed: from its own metadata."""

import re
from dataclasses import dataclass

REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+)\s*(?P<range>[^;]*?)\s*(;.*extra\s*==\s*["'](?P<extra>\w+)["'].*)?$""")


@dataclass(frozen=True)
class Requirement:
    """One required distribution.

    Attributes:
        name: as PyPI spells it.
        range: versions that were tried, such as ">=2.10,<2.14".
        extra: the extra that asks for it; "" for the base install.
        installed: the version found; None if there is none.
    """

    name: str
    range: str
    extra: str
    installed: str | None

    @property
    def fits(self) -> bool:
        """Whether the installed version lies in the range."""
        return self.installed is not None and all(
            _holds(self.installed, part) for part in self.range.split(",") if part
        )


def requirements(distribution: str = "tyllm") -> list[Requirement]:
    """Everything that `distribution` asks for; an empty list if it is not installed."""
    from importlib import metadata  # takes 20 ms, and only `doctor` needs it

    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [_parse(line) for line in lines]


def _parse(line: str) -> Requirement:
    match = REQUIREMENT.match(line)
    if match is None:
        raise ValueError(f"{line!r} is not a requirement.")
    name = match["name"]
    return Requirement(name, _ordered(match["range"]), match["extra"] or "", _installed(name))


def _ordered(conditions: str) -> str:
    """The lower bound first: '<3, >=2' → '>=2,<3'."""
    return ",".join(sorted(conditions.replace(" ", "").split(","), reverse=True))


def _installed(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _holds(version: str, condition: str) -> bool:
    """Whether a version meets '>=2.10' or '<3': the two forms that pyproject.toml uses."""
    if condition.startswith(">="):
        return _numbers(version) >= _numbers(condition[2:])
    return not condition.startswith("<") or _numbers(version) < _numbers(condition[1:])


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version: '2.13.0+cpu' → (2, 13, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
