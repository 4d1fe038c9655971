"""One fuzz target in this process, by atheris: `python -m tests.fuzz.run_target TARGET FOLDER… [-option=…]`."""

import sys

import atheris

PACKAGES = ["tyllm", "tyllm_base", "hf_checkpoint", "hf_messages", "awq", "tests.fuzz"]


def main() -> None:
    """Import the parsers with counters in their branches, then feed the target."""
    with atheris.instrument_imports(
        include=["tyllm", "tyllm_base", "hf_checkpoint", "hf_messages", "awq", "tests.fuzz"]
    ):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[sys.argv[1]]
        target(b"")  # imports what it needs
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


main()
