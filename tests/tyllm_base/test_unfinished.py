"""What is under way is removed at once when the process has to end."""

import pytest

from tyllm_base.unfinished import forget_unfinished, remove_unfinished, scratch_folder, unfinished


def test_files_and_folders_under_way_are_removed(tmp_path):
    file, folder, done, link = (tmp_path / name for name in ("file", "folder", "done", "link"))
    (done / "deep").mkdir(parents=True)
    (folder / "deep").mkdir(parents=True)
    file.touch()
    link.symlink_to(done)
    with unfinished(file), unfinished(folder), unfinished(link), unfinished(tmp_path / "nothing"):
        with unfinished(done):
            pass
        remove_unfinished()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done"]


def test_a_scratch_folder_goes_with_its_block_or_with_the_process(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path) as folder:
        (folder / "file").touch()
        raise KeyboardInterrupt
    with scratch_folder(tmp_path) as folder:
        remove_unfinished()
        assert not folder.exists()
    assert not list(tmp_path.iterdir())


def test_a_child_leaves_what_is_its_parents(tmp_path):
    with scratch_folder(tmp_path) as folder:
        from tyllm_base import unfinished as module

        before = list(module._paths)
        forget_unfinished()
        remove_unfinished()
        assert folder.exists()
        module._paths[:] = before
