"""The files of a folder are counted, also those in folders below it."""

from tyllm.package.folder_bytes import folder_bytes


def test_files_at_every_depth(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(7))
    (tmp_path / "c").write_bytes(bytes(5))
    assert folder_bytes(tmp_path) == 12
