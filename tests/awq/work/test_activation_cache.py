"""What goes onto the tape comes off it, in order, and nothing older."""

import pytest
import torch

from awq.work.activation_cache import Tape
from tyllm_errors import OutputError


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path, torch.device("cpu"))


def test_batches_come_back_in_order_however_they_are_cut(tape):
    first, second = torch.randn(10, 3), torch.randn(10, 5)
    for start in range(0, 10, 4):
        tape.record("mlp.up_proj", first[start : start + 4])
        tape.record("mlp.down_proj", second[start : start + 4])
    assert torch.equal(torch.cat(list(tape.play("mlp.up_proj", 4))), first)
    played = list(tape.play("mlp.down_proj", 3))
    assert [len(x) for x in played] == [3, 3, 3, 1] and torch.equal(torch.cat(played), second)


def test_what_is_played_may_be_changed(tape):
    tape.record("a", torch.ones(4, 2))
    for x in tape.play("a", 2):
        x /= 2
    assert torch.equal(torch.cat(list(tape.play("a", 4))), torch.ones(4, 2))


def test_slices_are_recorded_as_they_are_seen(tape):
    x = torch.randn(6, 8)
    tape.record("a", x[:, 2:5])
    assert torch.equal(next(tape.play("a", 6)), x[:, 2:5])


def test_what_a_killed_run_left_is_overwritten(tape, tmp_path):
    (tmp_path / "a.tape").write_bytes(b"\1" * 1000)
    tape.record("a", torch.zeros(2, 3))
    assert torch.equal(torch.cat(list(tape.play("a", 1))), torch.zeros(2, 3))


def test_erasing_leaves_nothing_and_the_tape_can_be_used_again(tape, tmp_path):
    tape.record("a", torch.zeros(2, 3))
    tape.erase()
    assert list(tmp_path.iterdir()) == []
    tape.record("a", torch.ones(1, 4))
    assert torch.equal(next(tape.play("a", 9)), torch.ones(1, 4))


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="Cannot write"):
        Tape(tmp_path / "no", torch.device("cpu")).record("a", torch.zeros(1, 1))
