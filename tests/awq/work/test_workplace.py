"""The output's place and the work folder are held from the beginning to the end, and work is never lost on the way."""

import os
from pathlib import Path

import numpy as np
import pytest
from tests.full_disk import small_disk

from awq.work.workplace import Workplace, partial_folder
from tyllm_base.errors import OutputError
from tyllm_base.output_place import refuse_existing

MARKER = "config.json"


def refuse(path):
    refuse_existing(path, "exists already", unless_empty=True)


def take(quant_path=None, work_dir=None):
    return Workplace.take(quant_path, work_dir, refuse, MARKER)


def begun(*arguments):
    """A run with a part."""
    workplace = take(*arguments)
    workplace.open("one").write_part("layer-00000", {"a": np.zeros(1, np.float16)})
    return workplace


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("out", None), ("out", None)),
        (("out", None), ("out", "other")),
        (("out", "work"), ("out2", "work")),
        ((None, "work"), (None, "work")),
        ((None, "out.partial"), ("out", None)),
    ],
)
def test_a_second_run_is_refused_and_changes_nothing(tmp_path, first, second):
    one, other = ([None if name is None else tmp_path / name for name in names] for names in (first, second))
    workplace = begun(*one)
    before = left(tmp_path)
    with pytest.raises(OutputError, match=rf"another run \(process {os.getpid()} on |Another run works in "):
        take(*other)
    assert left(tmp_path) == before
    workplace.release()
    take(*other).release()


def test_what_is_given_up_keeps_its_work_and_nothing_else(tmp_path):
    begun(tmp_path / "deep" / "out").release()
    assert left(tmp_path) == [
        "deep",
        "deep/out.partial",
        "deep/out.partial/layer-00000.part",
        "deep/out.partial/state.json",
    ]
    take(tmp_path / "none").release()
    assert "none.partial" not in left(tmp_path)


def test_what_is_temporary_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    begun().release()
    assert left(tmp_path) == []


def test_a_child_that_ends_lets_go_of_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    workplace = begun()
    child = os.fork()
    if not child:
        workplace.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert workplace.work.has("layer-00000")
    workplace.release()


def save(workplace, folder):
    with workplace.saving(folder, refuse, "one") as place:
        place.folder.mkdir(exist_ok=True)
        (place.folder / MARKER).touch()


@pytest.mark.parametrize("saved_to", ["out", "./out", "elsewhere"])
def test_saved_nothing_else_is_left(tmp_path, monkeypatch, saved_to):
    monkeypatch.chdir(tmp_path)
    workplace = begun(Path("out"))
    save(workplace, Path(saved_to))
    assert left(tmp_path) == [Path(saved_to).name, f"{Path(saved_to).name}/{MARKER}"]
    take(tmp_path / "another").release()


def test_what_cannot_be_saved_is_kept_and_its_place_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    workplace = begun()
    work = workplace.work
    sentence = (
        rf"mine exists already\. The finished work is kept in {work.path}: call save_quantized with another folder, "
    )
    with pytest.raises(OutputError, match=sentence + rf"or quantize again with work_dir='{work.path}'\.$"):
        save(workplace, tmp_path / "mine")
    assert work.has("layer-00000")
    save(workplace, tmp_path / "out")
    assert left(tmp_path) == ["mine", "mine/letter", "out", f"out/{MARKER}"]


def test_what_cannot_be_saved_outlives_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    workplace = begun()
    path = workplace.work.path
    with pytest.raises(KeyboardInterrupt), workplace.saving(tmp_path / "out", refuse, "one"):
        raise KeyboardInterrupt
    workplace.release()  # as at the end of the process
    assert (path / "layer-00000.part").exists()


def test_work_of_another_recipe_is_not_saved(tmp_path):
    workplace = begun(tmp_path / "out")
    (workplace.work.path / "state.json").write_text('{"fingerprint": "two"}')
    with pytest.raises(OutputError, match="holds other work than this run's"):
        save(workplace, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_killed_when_even_its_work_was_gone(tmp_path):
    """Its work folder is empty or holds a lock: that goes, and nobody is told to remove the result, which stands."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARKER).touch()
    for names in ((), ("lock",)):
        (tmp_path / "out.partial").mkdir()
        for name in names:
            (tmp_path / "out.partial" / name).touch()
        with pytest.raises(OutputError, match=r"out is there, and out.partial, .* is removed now; use it, or"):
            take(tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_work_folder_of_the_users_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARKER).touch()
    (tmp_path / "work").mkdir()
    with pytest.raises(OutputError, match=r"out exists already\.$"):
        take(tmp_path / "out", tmp_path / "work")
    assert (tmp_path / "work").is_dir()


def test_a_run_that_was_killed_when_all_was_done(tmp_path):
    """Its folder has its name, its work is still there: it is said to be finished, and the work goes."""
    workplace = begun(tmp_path / "out")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / MARKER).touch()
    workplace.work.note_result(tmp_path / "new" / MARKER)
    (tmp_path / "new").rename(tmp_path / "out")
    with pytest.raises(OutputError, match="is being written by another run"):
        take(tmp_path / "out")  # it lives
    workplace.release()
    with pytest.raises(OutputError, match=r"out is finished: .* removed out.partial, which is done now; use it, or"):
        take(tmp_path / "out")
    assert left(tmp_path) == ["out", f"out/{MARKER}"]
    with pytest.raises(OutputError, match="exists already"):
        take(tmp_path / "out")


def test_work_beside_what_others_put_in_the_place_stays(tmp_path):
    begun(tmp_path / "out").release()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARKER).touch()
    with pytest.raises(OutputError, match="exists already"):
        take(tmp_path / "out")
    assert "out.partial/layer-00000.part" in left(tmp_path)


def test_the_work_folder_is_not_in_the_output(tmp_path):
    with pytest.raises(OutputError, match="lies in the output"):
        take(tmp_path / "out", tmp_path / "out" / "work")
    assert left(tmp_path) == []


def test_in_a_mount_point_the_work_lies_in_it(tmp_path):
    with small_disk(tmp_path / "out", 1 << 18) as out:
        assert partial_folder(out) == out / ".tyllm.partial"
        workplace = begun(out)
        assert left(out) == [
            ".tyllm.lock",
            ".tyllm.partial",
            *(f".tyllm.partial/{name}" for name in ("layer-00000.part", "lock", "state.json")),
        ]
        workplace.release()
        workplace = take(out)
        assert workplace.open("one").has("layer-00000")
        save(workplace, out)
        assert left(out) == [MARKER]
