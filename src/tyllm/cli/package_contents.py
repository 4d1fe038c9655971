"""The contents of a package: parameters, programs, steps and buffers per die, from its JSON files and headers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tyllm.package import BufferConfig, DieBuffers, Manifest, Params, ProgramMemory
from tyllm.package.compiled_module import ModuleConfig
from tyllm.package.file_names import VISUAL, code_file, constants_file, params_file
from tyllm.package.folder_bytes import folder_bytes
from tyllm.package.program_file import ProgramSteps, read_program_file
from tyllm.package.verification import check_agreement, check_files, existing_folder

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
    folder = existing_folder(path)
    manifest, buffers = Manifest.read(folder), BufferConfig.read(folder)
    check_files(folder, manifest)
    check_agreement(folder, manifest, buffers)
    steps = read_program_file(folder)
    return {
        "package": str(folder),
        **{name: value for name, value in asdict(manifest).items() if name not in ("files", "rope")},
        "bytes": folder_bytes(folder),
        "kv_capacity": buffers.kv_capacity,
        "kv_cache_dtype": next((layer.dtype for die in buffers.dies for layer in die.layers), None),
        "dies": [_die(folder, die, steps.get(die.die, {})) for die in buffers.dies],
        "visual": _visual(folder, manifest),
    }


def _visual(folder: Path, manifest: Manifest) -> JsonObject | None:
    """The vision tower: what the manifest says of it, and for each die its bytes and those of each size's program."""
    if manifest.visual is None:
        return None
    place = folder / VISUAL
    module = ModuleConfig.read(place)
    dies = [
        {
            "die": die,
            "code_bytes": (place / module.code.format(die=die)).stat().st_size,
            "params_bytes": dtype_bytes(place / module.params.format(die=die)),
            "programs": {n: {"arena_bytes": own.arena_bytes, "io_bytes": own.io_bytes} for n, own in programs.items()},
        }
        for die, programs in enumerate(module.dies)
    ]
    return asdict(manifest.visual) | {"dies": dies}


def _die(folder: Path, die: DieBuffers, steps: Mapping[int, ProgramSteps]) -> JsonObject:
    return {
        "die": die.die,
        "vocabulary": list(die.vocabulary),
        "kv_bytes": die.kv_bytes,
        "params_bytes": dtype_bytes(folder / params_file(die.die)),
        "programs": {
            str(seq_len): {
                "code_bytes": (folder / code_file(die.die, seq_len)).stat().st_size,
                "constants_bytes": dtype_bytes(folder / constants_file(die.die, seq_len)),
                **_program(program, steps.get(seq_len, NO_STEPS)),
            }
            for seq_len, program in die.programs.items()
        },
    }


def _program(program: ProgramMemory, described: ProgramSteps) -> JsonObject:
    steps = (*described.body, *described.head)
    return {
        "arena_bytes": program.arena_bytes,
        "io_bytes": program.io_bytes,
        "steps": len(steps),
        "barriers": sum(step.barrier_before for step in steps),
        "bytes_read": sum(step.bytes_read for step in steps),
        "kernels": dict(Counter(step.kernel for step in steps).most_common()),
    }


def dtype_bytes(path: Path) -> dict[str, int]:
    """Bytes of the tensors in a .params file by dtype; raises `PackageError` where it is damaged."""
    total: Counter[str] = Counter()
    for tensor in Params(path).tensors.values():
        total[tensor.dtype.name] += tensor.nbytes
    return dict(total)
