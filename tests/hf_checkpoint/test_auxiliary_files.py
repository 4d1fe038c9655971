"""What lies beside the weights is found and copied; weights and config.json are not."""

from hf_checkpoint.auxiliary_files import auxiliary_files, copy_auxiliary_files

COPIED = {"generation_config.json", "chat_template.jinja", "tokenizer.json", "vocab.json", "preprocessor_config.json"}


def test_what_is_copied(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target, source / "tokenizer_folder"):
        folder.mkdir()
    for name in (*COPIED, "config.json", "model.safetensors", "README.md"):
        (source / name).write_text(name)
    assert {file.name for file in auxiliary_files(source)} == COPIED
    copy_auxiliary_files(source, target)
    assert {file.name for file in target.iterdir()} == COPIED
    assert (target / "tokenizer.json").read_text() == "tokenizer.json"
