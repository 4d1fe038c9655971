"""What an output folder gets that exists, cannot be written, or has not enough room."""

import pytest
from tests.bad_input.commands import COMPILE, QUANTIZE, agrees, fill
from tests.full_disk import small_disk


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (COMPILE,
         "{output} exists and is no package (it has no manifest.json), so it stays as it is; choose another folder."),
        ((*COMPILE, "--overwrite"),
         "{output} exists and is no package (it has no manifest.json), so it stays as it is; choose another folder."),
        (QUANTIZE, "{output} exists already; remove it or choose another output folder."),
    ],
)  # fmt: skip
def test_an_output_folder_that_exists(tyllm, checkpoints, tmp_path, command, sentence):
    folders = {"checkpoint": checkpoints / "float16", "output": tmp_path / "mine"}
    folders["output"].mkdir()
    (folders["output"] / "letter").write_text("x")
    agrees(tyllm(fill(command, **folders)), 7, sentence, **folders)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "letter"]


@pytest.mark.parametrize("command", [COMPILE, QUANTIZE], ids=lambda command: command[0])
def test_an_output_folder_that_is_read_only(tyllm, checkpoints, tmp_path, command):
    with small_disk(tmp_path / "disk", 1 << 20, "ro") as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        ended = tyllm(fill(command, **folders))
        agrees(ended, 7, "Cannot write {output}…: the file system is read-only; choose another folder.", **folders)


def test_a_package_that_will_not_fit(tyllm, checkpoints, tmp_path):
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "{output} needs … MB and the disk has 0.1 MB left; free some space or choose another disk."
        agrees(tyllm(fill(COMPILE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_disk_that_fills_while_compiling(tyllm, checkpoints, package, tmp_path):
    weights = sum(path.stat().st_size for path in package.rglob("*.params"))
    with small_disk(tmp_path / "disk", weights + (48 << 10)) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "Cannot write {output}: the disk is full; free some space and run again."
        agrees(tyllm(fill(COMPILE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_checkpoint_that_will_not_fit(tyllm, checkpoints, tmp_path):
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = (
            "The disk of {output}.partial has 0.1 MiB free, and the run needs … MiB there (the quantized weights twice "
            "while they are gathered); free some space or choose another folder."
        )
        agrees(tyllm(fill(QUANTIZE, **folders)), 7, sentence, **folders)
        assert list(disk.iterdir()) == []


def test_a_disk_that_fills_while_quantizing(tyllm, checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr("awq.run.run_plan.RunPlan.check_disk", lambda *_: None)  # others fill it while we work
    with small_disk(tmp_path / "disk", 1 << 16) as disk:
        folders = {"checkpoint": checkpoints / "float16", "output": disk / "new"}
        sentence = "Cannot write …: the disk is full; free some space and run again, finished layers are kept."
        agrees(tyllm(fill(QUANTIZE, **folders)), 7, sentence, **folders)
        assert not folders["output"].exists()
