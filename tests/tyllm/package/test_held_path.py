"""A path in an opened package reads like one in a folder, and leads nowhere else."""

import numpy as np
import pytest

from tyllm.package import file_entries
from tyllm.package.held_path import HeldPath
from tyllm.package.open_folder import OpenFolder
from tyllm.package.package_files import PackageFiles
from tyllm_base.errors import PackageError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "text").write_text("Grüße", encoding="utf-8")
    (folder / "code.so").write_bytes(b"code")
    (folder / "x.params").write_bytes(bytes(9))
    return folder


def held(folder):
    files = PackageFiles(folder)
    with OpenFolder(folder) as opened:
        files.hold(opened, file_entries(folder))
    return files


def test_it_reads_like_a_path_in_a_folder(folder):
    root = HeldPath(held(folder))
    pairs = ((root, folder), (root / "deep", folder / "deep"), (root / "deep" / "text", folder / "deep" / "text"))
    for here, there in (*pairs, (root / "none", folder / "none")):
        assert (str(here), here.name) == (str(there), there.name)
        assert (here.is_file(), here.is_dir()) == (there.is_file(), there.is_dir())
    assert sorted(each.name for each in root.iterdir()) == sorted(path.name for path in folder.iterdir())
    assert (root / "deep" / "text").read_text(encoding="utf-8") == "Grüße"
    with (root / "deep" / "text").open() as text, (root / "code.so").open("rb") as code:
        assert (text.read(), code.read()) == ("Grüße", b"code")
    assert np.array_equal(np.frombuffer((root / "x.params").read_bytes(), np.uint8), (root / "x.params").content())


def test_it_does_not_lead_out(folder):
    (folder.parent / "secret").write_text("secret")
    root = HeldPath(held(folder))
    outside = (root / "../secret", root / str(folder.parent / "secret"), root.joinpath("..", "secret"))
    for path in (*outside, root / "deep" / ".." / "code.so", root):
        assert not path.is_file()
        with pytest.raises(PackageError, match="does not name"):
            path.read_bytes()


def test_paths_are_equal_by_what_they_name(folder):
    files = held(folder)
    assert HeldPath(files) / "code.so" == HeldPath(files, "code.so") != HeldPath(held(folder), "code.so")
    assert len({HeldPath(files) / "code.so", HeldPath(files, "code.so")}) == 1
    assert HeldPath(files) / "code.so" != folder / "code.so"
