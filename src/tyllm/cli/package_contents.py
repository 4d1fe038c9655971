"""The contents of a package: parameters, programs, steps and buffers per die, from its JSON files and headers."""

from collections import Counter
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from tyllm.package import DieBuffers, Package, Params, ProgramMemory
from tyllm.package.file_names import VISUAL, code_file, constants_file, params_file
from tyllm.package.held_path import HeldPath
from tyllm.package.module_files import module_code, module_params
from tyllm.package.opened_package import read_package
from tyllm.package.program_file import ProgramSteps, read_program_file
from tyllm.package.step_shape import StepShape, step_shapes

JsonObject = dict[str, Any]
NO_STEPS = ProgramSteps((), (), {})


def contents(path: Path) -> JsonObject:
    """Describe a package, of whatever CPU, without loading code from it.

    Returns:
        The manifest but for `dies` and `files`; `package`; `bytes`, of all files; `kv_capacity`; `kv_cache_dtype`; and
        `dies`: for each its rows of the vocabulary, KV bytes, `params_bytes` by dtype, and by sequence length the
        bytes of code, constants, arena and io, and its steps by kernel.

    Raises:
        PackageError: no package, or one of another version, with files missing or JSON that contradicts itself.
    """
    package = read_package(path)
    manifest, buffers, files = package.manifest, package.buffers, package.files
    steps = read_program_file(files)
    return {
        "package": str(package.folder),
        **{name: value for name, value in to_builtins(manifest).items() if name not in ("files", "rope", "sha256")},
        "bytes": package.nbytes,
        "kv_capacity": buffers.kv_capacity,
        "kv_cache_dtype": next((layer.dtype for die in buffers.dies for layer in die.layers), None),
        "dies": [_die(files, die, steps.get(die.die, {})) for die in buffers.dies],
        "visual": _visual(package),
    }


def _visual(package: Package) -> JsonObject | None:
    """The vision tower: what the manifest says of it, and for each die its bytes and those of each size's program."""
    place, module, said = package.files / VISUAL, package.visual, package.manifest.visual
    if module is None or said is None:
        return None
    dies = [
        {
            "die": die,
            "code_bytes": len(module_code(place, module, die).read_bytes()),
            "params_bytes": dtype_bytes(module_params(place, module, die)),
            "programs": {n: {"arena_bytes": own.arena_bytes, "io_bytes": own.io_bytes} for n, own in programs.items()},
        }
        for die, programs in enumerate(module.dies)
    ]
    found: JsonObject = to_builtins(said)
    return found | {"dies": dies}


def _die(files: HeldPath, die: DieBuffers, steps: Mapping[StepShape, ProgramSteps]) -> JsonObject:
    programs = {
        shape: {
            "code_bytes": len((files / code_file(die.die, shape)).content()),
            "constants_bytes": dtype_bytes(files / constants_file(die.die, shape)),
            **_program(die.memory(shape), steps.get(shape, NO_STEPS)),
        }
        for shape in step_shapes(die.programs, die.batches)
    }
    return {
        "die": die.die,
        "vocabulary": list(die.vocabulary),
        "kv_bytes": die.kv_bytes,
        "params_bytes": dtype_bytes(files / params_file(die.die)),
        "programs": {str(shape.seq_len): program for shape, program in programs.items() if not shape.is_batch},
        "batches": {str(shape.batch): program for shape, program in programs.items() if shape.is_batch},
    }


def _program(program: ProgramMemory, described: ProgramSteps) -> JsonObject:
    steps = (*described.body, *described.head)
    return {
        "arena_bytes": program.arena_bytes,
        "io_bytes": program.io_bytes,
        "steps": len(steps),
        "barriers": sum(step.barrier_before for step in steps),
        "bytes_read": sum(step.cost.bytes_read for step in steps),
        "kernels": dict(Counter(step.kernel for step in steps).most_common()),
    }


def dtype_bytes(path: Traversable) -> dict[str, int]:
    """Bytes of the tensors in a .params file by dtype; raises `PackageError` where it is damaged."""
    total: Counter[str] = Counter()
    for tensor in Params(path).tensors.values():
        total[tensor.dtype.name] += tensor.nbytes
    return dict(total)
