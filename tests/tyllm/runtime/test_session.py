"""A session's doors: opening, chatting, and importing nothing that a runtime must not need."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_package import HERE, Fake, build, reference_greedy, reference_logits

from tyllm.runtime import Session
from tyllm_base.errors import PackageError, SettingError

HEAVY = ("torch", "tvm", "tvm_ffi", "transformers", "safetensors")


def test_logits_are_a_fresh_conversation_each_time(toy):
    with Session(toy(dies=2)) as session:
        for tokens in ([1, 2, 3], [4], [1, 2, 3]):
            assert np.array_equal(session.logits(tokens), reference_logits(tokens))


@pytest.mark.parametrize("seq_lens", [(1,), (8,), (1, 8, 32), (4, 16)])
def test_any_sequence_lengths_give_the_same(toy, seq_lens):
    with Session(toy(dies=2, seq_lens=seq_lens)) as session:
        tokens = list(range(43))
        assert np.array_equal(session.logits(tokens), reference_logits(tokens))
        assert session.generate(tokens, max_new_tokens=5, ignore_eos=True).token_ids == reference_greedy(tokens, 5)


def test_a_chat_feeds_only_what_is_new(toy):
    with Session(toy(dies=2, max_kv_cache_size=512)) as session:
        messages = [{"role": "user", "content": "Hello"}]
        first = session.chat(messages, max_new_tokens=6, ignore_eos=True)
        prompt = session.tokenizer.encode(session.chat_template.render(messages))
        assert first.token_ids == reference_greedy(prompt, 6)
        messages += [{"role": "assistant", "content": "x"}, {"role": "user", "content": "and?"}]
        second = session.chat(messages, max_new_tokens=6, ignore_eos=True, stream=True)
        assert "".join(second) == second.result.text
        whole = session.tokenizer.encode(session.chat_template.render(messages))
        assert second.result.token_ids == reference_greedy(whole, 6)
        assert second.result.timings.cached_tokens >= len(prompt)
        assert second.result.timings.prompt_tokens + second.result.timings.cached_tokens == len(whole)


def test_closing_ends_the_templates_process(toy):
    with Session(toy(dies=2, max_kv_cache_size=512)) as session:
        session.chat([{"role": "user", "content": "Hello"}], max_new_tokens=1)
        pid = session.chat_template._renderer._process._process._popen.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_chat_without_a_template(own_toy, toy_library):
    from fake_package import Fake

    (own_toy / "chat_template.jinja").unlink()
    Fake(toy_library, dies=2).write_manifest(own_toy)
    with Session(own_toy) as session, pytest.raises(PackageError, match="has no chat template"):
        session.chat([{"role": "user", "content": "Hello"}])


def test_settings_that_cannot_work(toy):
    with pytest.raises(SettingError, match="0 slots hold no conversation"):
        Session(toy(dies=1), slots=0)
    with pytest.raises(SettingError, match="-1 threads cannot run"):
        Session(toy(dies=1), threads=-1)


def test_damaged_code_is_not_loaded(own_toy):
    code = own_toy / "batch_1" / "seqlen_1" / "llm_die0.so"
    data = bytearray(code.read_bytes())
    data[len(data) // 2] ^= 4
    code.write_bytes(data)
    with pytest.raises(PackageError, match="was changed or damaged"):
        Session(own_toy)
    assert str(code) not in open("/proc/self/maps").read()  # noqa: SIM115, PTH123


def test_a_whole_chat_imports_no_torch_no_tvm_no_transformers(toy):
    program = (
        "import sys; from tyllm.runtime import Session; s = Session(sys.argv[1]);"
        "s.chat([{'role': 'user', 'content': 'Hello'}], max_new_tokens=3); s.score([1, 2]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program, toy(dies=2)], capture_output=True, text=True, check=True,
                            env=dict(os.environ))  # fmt: skip
    assert result.stdout.strip() == "[]"


def test_an_idle_session_uses_no_cpu(toy):
    with Session(toy(dies=2), threads=4) as session:
        session.logits([1, 2, 3])
        time.sleep(0.05)  # whoever still spins goes to sleep
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.05


def test_a_folder_that_is_replaced_under_a_session_changes_nothing(own_toy, toy_library, tmp_path):
    """As `tyllm compile --overwrite` does: nothing that is used for the first time later is of the new package."""
    with Session(own_toy) as session:
        other = Fake(toy_library, dies=1).write(tmp_path / "other")
        (other / "chat_template.jinja").write_text("another")
        (other / "generation_config.json").write_text('{"eos_token_id": 7}')
        (other / "tokenizer.json").write_text("{}")
        own_toy.rename(tmp_path / "old")
        other.rename(own_toy)
        assert session.eos_token_ids == (256, 258)
        assert session.chat_template.render([{"role": "user", "content": "Hi"}]).startswith("<|im_start|>user")
        assert session.generate("ab", max_new_tokens=3, ignore_eos=True).token_ids == reference_greedy(
            session.tokenizer.encode("ab"), 3
        )


def test_files_that_are_emptied_under_a_session_change_nothing(own_toy):
    """Code and small files are copies: what was SIGBUS or another answer is nothing."""
    with Session(own_toy) as session:
        for path in own_toy.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
        assert session.generate("ab", max_new_tokens=3, ignore_eos=True).token_ids == reference_greedy(
            session.tokenizer.encode("ab"), 3
        )


def test_the_same_files_rewritten_and_opened_again_run_the_new_code(own_toy, toy_library, tmp_path):
    """Same inodes, other bytes: the dynamic linker by itself would run what it has loaded already."""
    with Session(own_toy) as session:
        session.logits([1, 2])
    source = (HERE / "fake_program.c").read_text().replace("* 31", "* 37", 1)
    (tmp_path / "other.c").write_text(source)
    library = build(tmp_path / "other.c", tmp_path / "other.so", ("-shared", f"-I{HERE}"))
    other = Fake(library, dies=2).write(tmp_path / "other")
    for path in own_toy.rglob("*.so"):
        with path.open("r+b") as file:
            file.truncate(0)
            file.write((other / path.relative_to(own_toy)).read_bytes())
    Fake(toy_library, dies=2).write_manifest(own_toy)
    with Session(own_toy) as session:
        assert not np.array_equal(session.logits([1, 2]), reference_logits([1, 2]))


def test_sessions_leave_no_descriptor_and_no_mapping(own_toy, descriptors, monkeypatch):
    monkeypatch.setattr("tyllm.package.package_files.MAPPED", 1)

    def ours():
        lines = Path("/proc/self/maps").read_text().splitlines()
        return sum(str(own_toy) in line or "/memfd:llm_die" in line for line in lines)

    before, mapped = descriptors(), ours()
    for _ in range(10):
        with Session(own_toy) as session:
            session.logits([1, 2])
            assert descriptors() == before
        assert ours() == mapped


def test_what_is_asked_of_a_closed_session(own_toy):
    session = Session(own_toy)
    session.close()
    with pytest.raises(PackageError, match="was closed; open the package again"):
        _ = session.tokenizer


ALONE = "import resource, sys; from tyllm.runtime import Session; limit = int(sys.argv[2]);\n" \
        "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit));\n" \
        "print(Session(sys.argv[1]).generate([1, 2], max_new_tokens=3, ignore_eos=True).token_ids)"  # fmt: skip


def test_a_container_without_home_and_with_few_descriptors(toy):
    """Eight dies, a user who is only a number, no place to write: 24 descriptors are enough."""
    folder = toy(dies=8, seq_lens=(1, 2, 4, 8, 16, 32))
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-c", "import pwd; pwd.getpwuid = lambda number: {}[number]\n" + ALONE, folder, "24"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (found.returncode, found.stdout.strip()) == (0, str(reference_greedy([1, 2], 3))), found.stderr


def test_too_few_descriptors_are_a_sentence(toy):
    command = [sys.executable, "-c", ALONE, toy(dies=2), "4"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PackageError" in found.stderr and "raise the limit (ulimit -n)" in found.stderr
