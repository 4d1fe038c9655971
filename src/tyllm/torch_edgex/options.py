"""Options of the backend: one dataclass, checked when made, behind both doors: `torch.compile(options=…)` and modes.

The keys that the original toolchain's scripts set (`AOT_DIR`, `VM_die_remap`, …) are names of the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tyllm.graph.compile_cache import CompileSettings
from tyllm.llm.compile_settings import ACTIVATIONS, DIES
from tyllm_base.errors import SettingError

EXEC_MODES = ("AOT", "EAGER")
KEYS = {"AOT_DIR": "aot_dir", "VM_die_remap": "vm_die_remap", "LM_die_remap": "lm_die_remap"}
"""The original's keys, where they are not the field's own name."""


@dataclass(frozen=True)
class Options:
    """Options for compiling and running modules.

    Attributes:
        exec_mode: "AOT" compiles ahead of time, writes the result into `aot_dir` and runs that; "EAGER" runs torch.
        dies: dies that a module is split over.
        activations: "float16" multiplies float32 activations by float16 weights; "int8" lets processors with tiles
            (AMX) round the activations to bfloat16, which is faster.
        aot_dir: where compiled modules are kept, by a hash of all that they were made from; None for the user's cache.
        target: instruction set to compile for; "native" is this machine's.
        threads: worker threads in all; None for the cores that may be used.
        trace_only: compile, and return zeros of the right shapes instead of running.
        vm_die_remap: for each part the physical die that plays it, the main die first, and whose cores its
            threads are bound to; of compiled modules, as of vision towers.
        lm_die_remap: likewise of language models; for `tyllm.build_util`.
        prefill_lens: sequence lengths to compile a language model for; for `tyllm.build_util`.
    """

    exec_mode: str = "AOT"
    dies: int = 1
    activations: str = "float16"
    aot_dir: Path | None = None
    target: str = "native"
    threads: int | None = None
    trace_only: bool = False
    vm_die_remap: tuple[int, ...] | None = None
    lm_die_remap: tuple[int, ...] | None = None
    prefill_lens: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check every value; raises `SettingError`."""
        _one_of("exec_mode", self.exec_mode, EXEC_MODES)
        _one_of("dies", self.dies, DIES)
        _one_of("activations", self.activations, ACTIVATIONS)
        if not isinstance(self.trace_only, bool):
            raise SettingError(f"trace_only is {self.trace_only!r}; give True or False.")
        if self.threads is not None:
            _whole_numbers("threads", [self.threads], 1)
        if self.prefill_lens is not None:
            _distinct("prefill_lens", self.prefill_lens, 1)
        for key in ("VM_die_remap", "LM_die_remap"):
            order = getattr(self, KEYS[key])
            if order is not None:
                _distinct(key, order, 0)
        if self.vm_die_remap is not None and len(self.vm_die_remap) < self.dies:
            raise SettingError(
                f"VM_die_remap {list(self.vm_die_remap)} names {len(self.vm_die_remap)} dies and {self.dies} are used; "
                "name each of them."
            )

    def updated(self, changes: Mapping[str, Any]) -> Options:
        """These options with others in the place of some, by field or by the original's key.

        Raises:
            SettingError: an unknown key, or a value that cannot work.
        """
        known = {field.name: field.name for field in fields(self) if field.name not in KEYS.values()} | KEYS
        for key in changes:
            if key not in known:
                raise SettingError(f"There is no option {key!r}; there are {', '.join(known)}.")
        return replace(self, **{known[key]: _typed(known[key], value) for key, value in changes.items()})

    def compile_settings(self) -> CompileSettings:
        """The settings of the graph compiler that these options stand for."""
        return CompileSettings(self.dies, self.activations, self.target, self.aot_dir)

    def order(self) -> tuple[int, ...] | None:
        """The physical die of each part of a compiled module."""
        return None if self.vm_die_remap is None else self.vm_die_remap[: self.dies]


def current() -> Options:
    """The options that `set_device_mode` has set so far."""
    return _current


def set_device_mode(key: str, value: object) -> None:
    """Set one option for all that is compiled from now on.

    Raises:
        SettingError: an unknown key, or a value that cannot work.
    """
    global _current
    _current = _current.updated({key: value})


def reset() -> None:
    """Every option as it was at first."""
    global _current
    _current = Options()


def _typed(field: str, value: object) -> Any:
    """Paths and tuples of what scripts give as strings and lists; anything else as it is."""
    if field == "aot_dir" and value is not None:
        if not isinstance(value, str | Path) or not str(value):
            raise SettingError(f"AOT_DIR is {value!r}; give the path of a folder.")
        return Path(value)
    is_listed = field in ("vm_die_remap", "lm_die_remap", "prefill_lens")
    return tuple(value) if is_listed and isinstance(value, Sequence) and not isinstance(value, str) else value


def _one_of(key: str, value: object, known: Sequence[object]) -> None:
    if isinstance(value, bool) or value not in known:
        raise SettingError(f"{key} is {value!r}; use one of {', '.join(str(k) for k in known)}.")


def _whole_numbers(key: str, values: object, least: int) -> None:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise SettingError(f"{key} is {values!r}; give a list of whole numbers.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingError(f"{key} holds {value!r}; give whole numbers of at least {least}.")


def _distinct(key: str, values: Sequence[int], least: int) -> None:
    _whole_numbers(key, values, least)
    if len(set(values)) < len(values):
        raise SettingError(f"{key} {list(values)} names a number twice; give each once.")


_current = Options()
