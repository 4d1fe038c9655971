"""A manifest comes back from its file as it was."""

from tyllm.package import FileEntry, Manifest, Target


def test_round_trip(tmp_path):
    manifest = Manifest(
        tyllm_version="2", architecture="Qwen2ForCausalLM", model_type="qwen2", vocab_size=10, hidden_size=4, layers=2,
        dies=2, seq_lens=(1, 8), max_kv_cache_size=64, embedding_as_input=False, activations="int8",
        quantization={"method": "awq", "bits": 4}, target=Target("a", "x86_64-linux-gnu", "b", ("f",)),
        exports={"body": "llm_body", "head": "llm_head"}, built_with={"python": "3"}, source={"checkpoint": "c"},
        files={"a/b": FileEntry(3, "0" * 64)},
    )  # fmt: skip
    manifest.write_manifest(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert manifest.target.machine == "x86_64"
