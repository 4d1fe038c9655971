"""`tyllm doctor`: what this machine and this install can do, what is missing, and the cure."""

import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tyllm import __version__
from tyllm.cli.installed_requirements import Requirement, requirements
from tyllm.cli.machine_summary import Machine, this_machine
from tyllm.cli.print_result import print_result
from tyllm.cli.quantities import byte_size
from tyllm.cli.shared_options import Debug, Json

if TYPE_CHECKING:
    from rich.console import Console

NEEDED_FOR = {"": "run", "compile": "quantize and compile", "cross": "compile for other machines", "dev": "test"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the thing.
        needed_for: what it is good for.
        found: what was found.
        state: "ok", "missing", or "untried" for a version outside the range that was tried.
        cure: what to do about it; "" when all is well.
    """

    what: str
    needed_for: str
    found: str
    state: str = "ok"
    cure: str = ""


def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what this machine and this install can do, and what is missing.

    Example: `tyllm doctor`
    """
    findings = examine(this_machine(), requirements())
    can = {
        task: not any(f.state == "missing" for f in findings if f.needed_for in ("run", task))
        for task in NEEDED_FOR.values()
    }
    result = {"tyllm": __version__, "can": can, "findings": [asdict(finding) for finding in findings]}

    def draw(console: "Console") -> None:
        for finding in findings:
            color = "yellow" if finding.cure else "green"
            console.print(f"[{color}]{finding.state:8}[/]{finding.what}: {finding.found} (to {finding.needed_for})")
            if finding.cure:
                console.print(f"        {finding.cure}", markup=False)
        for task, possible in can.items():
            console.print(f"This install can {task}: {'yes' if possible else 'no'}")

    print_result(result, as_json, draw)


def examine(machine: Machine, required: list[Requirement]) -> list[Finding]:
    """All findings, the machine first."""
    return [*_machine(machine), *(_package(requirement) for requirement in required)]


def _machine(machine: Machine) -> list[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    linux = machine.system.startswith("Linux")
    sets = ", ".join(machine.instruction_sets) or "none that the kernels know; plain code is used"
    return [
        Finding("Python", "run", python),
        _checked(Finding("system", "run", machine.system), linux, "Use Linux; nothing else works yet."),
        Finding("processor", "run", f"{machine.processor}, {machine.cores} cores"),
        Finding("instruction sets", "run", sets),
        Finding("memory", "run", byte_size(machine.memory_bytes)),
        _checked(
            Finding("C compiler", "quantize and compile", machine.c_compiler or "none"),
            machine.c_compiler is not None,
            "Install gcc (Debian: apt-get install gcc libc6-dev).",
        ),
    ]


def _checked(finding: Finding, well: bool, cure: str) -> Finding:
    return finding if well else replace(finding, state="missing", cure=cure)


def _package(requirement: Requirement) -> Finding:
    extra = f"tyllm[{requirement.extra}]" if requirement.extra else "tyllm"
    found = f"{requirement.installed or 'not installed'} (tried: {requirement.range})"
    finding = Finding(requirement.name, NEEDED_FOR.get(requirement.extra, requirement.extra), found)
    if requirement.fits:
        return finding
    return replace(finding, state="untried" if requirement.installed else "missing", cure=f'pip install "{extra}"')
