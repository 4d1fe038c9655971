"""A tokenizer is tried before the work: good ones pass, and hostile ones end in a sentence, this process alive."""

import json
import os
import time

import pytest
from tests.hostile_tokenizers import HOSTILE_TOKENIZERS, added, bpe, replacing, template, whole

from hf_checkpoint import tokenizer_trial
from hf_checkpoint.tokenizer_trial import LARGEST_FILE, TEXTS, try_tokenizer
from tyllm_base.errors import CheckpointError

SAMPLE = [
    "empty",
    "deep_lists",
    "prefix_longer_than_tokens",
    "ids_beyond_the_model",
    "a_millionfold",
    "chained_replacing",
    "charsmap_all_ones",
    "split_without_end",
    "post_adds_much",
    "decoder_thousandfold",
    "normalizer_100000_deep",
]
"""Those that each run of the tests tries: one of each kind, all of them refused."""


NINETY_NINE = template(
    [{"SpecialToken": {"id": "x", "type_id": 0}}] * 99, {"x": {"id": "x", "ids": [0], "tokens": ["x"]}}
)


def attempt(folder, description, config=None):
    content = description if isinstance(description, str | bytes) else json.dumps(description)
    (folder / "tokenizer.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    try_tokenizer(folder, {"vocab_size": 500_000} if config is None else config)


def test_a_good_one_passes(tmp_path):
    attempt(tmp_path, whole(added_tokens=[added("<x>", 256)]), {"vocab_size": 257})
    attempt(tmp_path, whole(normalizer={"type": "NFKC"}), {"text_config": {"vocab_size": 256}})


def test_none_at_all_is_no_mistake(tmp_path):
    try_tokenizer(tmp_path, {})


def test_tokens_beyond_the_models(tmp_path):
    with pytest.raises(CheckpointError, match=r"makes the token 2\d\d of .*, but config.json has 200 \(vocab_size\)"):
        attempt(tmp_path, whole(), {"vocab_size": 200})
    attempt(tmp_path, whole(added_tokens=[added("<image>", 256)]), {"vocab_size": 256})  # as Gemma 3's text models
    attempt(tmp_path, whole(), {"vocab_size": "many"})  # config.json is judged elsewhere


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (HOSTILE_TOKENIZERS["prefix_longer_than_tokens"], "loading it fails"),
        (whole(normalizer=replacing("a", "a" * 5000)), "it makes 5,094 tokens of 95 bytes .plain text"),
        (whole(decoder=replacing("a", "b" * 9999)), "it makes 10,093 letters of 95 tokens"),
        (whole(bpe(vocab={})), "it makes no token of plain text"),
        (whole(post_processor=NINETY_NINE), "99 tokens of 0 bytes .an empty text"),
        ("{}", "loading it fails"),
        (HOSTILE_TOKENIZERS["normalizer_100000_deep"], "loading it fails .*recursion limit"),
    ],
)
def test_why_one_is_refused(tmp_path, description, reason):
    with pytest.raises(CheckpointError, match=f"tokenizer.json is no tokenizer that can be used: .*({reason})"):
        attempt(tmp_path, description)


def test_too_large_a_file_is_not_read(tmp_path):
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(CheckpointError, match="it has 128 MiB, more than the 128"):
        try_tokenizer(tmp_path, {})


def test_all_texts_share_one_time(tmp_path, monkeypatch):
    limits = []

    class Process:
        def __init__(self, *_):
            pass

        def start(self, _):
            pass

        def call(self, request, refuse, limit):
            limits.append(limit.seconds)
            return {"refused": "no", "seconds": 0.5}

        def close(self):
            limits.append("closed")

    monkeypatch.setattr(tokenizer_trial, "IsolatedProcess", Process)
    with pytest.raises(CheckpointError, match=r"it encodes no text \(no\)"):
        attempt(tmp_path, whole())
    assert limits == [2.0, 1.5, 1.0, 0.5, *[0.1] * (len(TEXTS) - 4), "closed"]


def test_the_system_starts_no_process(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", fails)
    with pytest.raises(CheckpointError, match=r"in a process of its own, and the system started none \(Resource"):
        attempt(tmp_path, whole())


def outcome(folder, name: str) -> str:
    """What becomes of a tokenizer, and that it takes no longer than it may."""
    started = time.monotonic()
    try:
        attempt(folder, HOSTILE_TOKENIZERS[name])
    except CheckpointError as error:
        found = str(error)
    else:
        found = "passes"
    assert time.monotonic() - started < 60  # 4 s where no one else computes
    return found


@pytest.mark.parametrize("name", SAMPLE)
def test_a_hostile_tokenizer_is_refused(tmp_path, name):
    found = outcome(tmp_path, name)
    assert found != "passes"
    assert "\n" not in found
    assert len(found) < 1000


@pytest.mark.skipif(not os.environ.get("HOSTILE"), reason="minutes; HOSTILE=1 tries all")
@pytest.mark.parametrize("name", sorted(HOSTILE_TOKENIZERS.keys() - set(SAMPLE)))
def test_all_hostile_tokenizers_end(tmp_path, name):
    outcome(tmp_path, name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is a named pipe and not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device and not a file"),
        (lambda path: path.symlink_to("nowhere"), "is missing"),
        (lambda path: path.mkdir(), "is a folder and not a file"),
    ],
)
def test_what_is_no_file_is_not_waited_for(tmp_path, make, words):
    make(tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match=f"{words}; download it again"):
        try_tokenizer(tmp_path, {})


def test_all_texts_together_are_waited_for_a_bounded_time(tmp_path, monkeypatch):
    """A process that sleeps uses no processor time: only the clock ends it, and one for all texts."""
    task = tmp_path / "task.py"
    task.write_text(
        "import time\ndef attempt(request):\n    time.sleep(0.3)\n"
        "    return {'bytes': 9, 'tokens': 1, 'largest': 0, 'spelled': 1, 'decoded': 1, 'seconds': 0.0}\n"
        "def prepare(setup):\n    return attempt\n"
    )
    monkeypatch.setattr(tokenizer_trial, "TASK", task)
    monkeypatch.setattr(tokenizer_trial, "TEXT_WALL_SECONDS", 1.0)
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"took longer than \S+ s"):
        attempt(tmp_path, whole())
    assert time.monotonic() - started < len(TEXTS) * 0.3


def test_loading_that_sleeps_is_waited_for_a_bounded_time(tmp_path, monkeypatch):
    task = tmp_path / "task.py"
    task.write_text("import time\ndef prepare(setup):\n    time.sleep(60)\n")
    monkeypatch.setattr(tokenizer_trial, "TASK", task)
    monkeypatch.setattr(tokenizer_trial, "LOADING", tokenizer_trial.replace(tokenizer_trial.LOADING, wall_seconds=0.5))
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"loading it took longer than \S+ s"):
        attempt(tmp_path, whole())
    assert time.monotonic() - started < 30
