"""A compile whose code is remembered from the first one: what is left are the steps that write, ten times as quick.

Nothing that a fault of a file meets is left out: weights are packed, objects linked, files written, hashed, renamed.
Only what is computed between is not done anew: graphs are neither traced nor lowered, C and TVM not compiled.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from tests.faults.samples import scratch


@contextmanager
def remembered_code(*first: list[object]) -> Iterator[None]:
    """Compile with each of `first`, arguments of the command line with {out} as the output, and remember the code.

    Inside the block compiles with the same settings take their code from memory, in forked children too.
    """
    from tyllm.cli import main
    from tyllm.llm import compiler

    with ExitStack() as stack:
        for patched in _patches():
            stack.enter_context(patched)
        for arguments in first:
            out = scratch() / "first"
            with patch.object(
                compiler, "run_in_processes", lambda tasks, *_: [task(lambda *_: None) for task in tasks]
            ):
                assert main([str(out if argument == "{out}" else argument) for argument in arguments]) == 0
            shutil.rmtree(out)
        yield


def _patches() -> list:
    """Stand-ins for capturing, lowering, generating code and compiling C."""
    from tyllm.llm import compiler
    from tyllm.llm.decoder_build import DecoderBuild
    from tytvm import compile as driver

    plans, kept = {}, {}
    plan, capture, build, compile_c = (
        DecoderBuild._plan,
        DecoderBuild._capture,
        driver.build_objects,
        compiler.compile_c,
    )

    def captured(self, die, step):
        shape = die, step, len(self.job.plan.dies)
        if shape not in plans:
            plans[shape] = plan(self, capture(self, die, step), die, step)
        return plans[shape]

    def built(program, exports, kernels, stem, *prefix):
        return _remembered(kept, id(program), stem.parent, lambda: build(program, exports, kernels, stem, *prefix))

    def compiled(sources, flags, folder, spec):
        return _remembered(kept, "runtime", folder, lambda: compile_c(sources, flags, folder, spec))

    return [
        patch.object(DecoderBuild, "_capture", captured),
        patch.object(DecoderBuild, "_plan", lambda self, program, die, step: program),
        patch.object(driver, "build_objects", built),
        patch.object(compiler, "compile_c", compiled),
    ]


def _remembered(kept: dict, name: object, folder: Path, make: Callable[[], list[Path]]) -> list[Path]:
    """Files written into a folder: made at the first time, then of the bytes that they had."""
    if name not in kept:
        made = make()
        kept[name] = {path.name: path.read_bytes() for path in made}
        return made
    for file, data in kept[name].items():
        (folder / file).write_bytes(data)
    return [folder / file for file in kept[name]]
