"""Small checkpoints, packages and keys, made once in a process and removed at its end."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
for place in (REPO / "src", REPO / "models", REPO):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
os.environ.update(  # one thread: what forks must not hold others' locks, and two processes share the cores
    OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error"
)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

WARM = (
    "tvm", "awq.run.quantizer", "tyllm.build_util", "tyllm.cli.app", "tyllm.runtime", "tyllm.signing.package_hashes",
    "tyllm.signing.signer", "tyllm.signing.key_files",
)  # fmt: skip
SMALL = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
COMPILE = ("--quantize", "rtn", "--group-size", "32", "--max-kv-cache-size", "32", "--batch-sizes", "1")
QUANTIZE = ("--no-eval", "--max-samples", "2", "--max-length", "32", "--group-size", "32")


@cache
def warm() -> None:
    """Import what the commands import, so that a fork begins with the work."""
    import torch

    torch.set_num_threads(1)

    for module in WARM:
        import_module(module)


@cache
def scratch() -> Path:
    """A folder for all that tries write; its caches are its own."""
    folder = Path(tempfile.mkdtemp(prefix="tyllm-faults-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    return folder


@cache
def checkpoint() -> Path:
    """A float16 checkpoint of one layer, with a tokenizer."""
    from tests.tiny_checkpoint import write_tiny

    return write_tiny(scratch() / "checkpoint", **SMALL)


@cache
def package(dies: int = 2, seq_lens: str = "1,4", source: Path | None = None) -> Path:
    """A compiled package."""
    from tests.faults.child import DONE, run

    warm()
    folder = scratch() / f"package-{dies}-{seq_lens}-{(source or checkpoint()).name}"
    end = run(["compile", source or checkpoint(), folder, "--dies", dies, "--seq-lens", seq_lens, *COMPILE])
    assert end.kind == DONE, end
    return folder


@cache
def vision_package() -> Path:
    """A package of a vision-language model with a tower and rotary positions."""
    from tests.faults.child import DONE, run
    from tests.tiny_vision_language import write_tiny_vision_language

    warm()
    folder = scratch() / "vision-package"
    source = write_tiny_vision_language(scratch() / "vision-checkpoint")
    end = run(["compile", source, folder, "--dies", 1, "--seq-lens", "1,4", "--image-size", "56x56", *COMPILE], 600)
    assert end.kind == DONE, end
    return folder


@cache
def other_package() -> Path:
    """A package of the same shape with other weights, tokenizer and template."""
    import json

    import numpy as np
    from tests.tiny_checkpoint import edit_tensor

    source = shutil.copytree(checkpoint(), scratch() / "other")
    edit_tensor(source, "model.embed_tokens.weight", lambda array: np.ascontiguousarray(array[::-1]))
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    names = list(vocabulary)
    tokenizer["model"]["vocab"] = dict(zip(names, [vocabulary[name] for name in reversed(names)], strict=True))
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    (source / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    return package(source=source)


@cache
def key() -> Path:
    """A private key to sign with; its public half lies beside it as public.pem."""
    folder = scratch() / "keys"
    folder.mkdir()
    for command in (
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem",
        "pkey -in private.pem -pubout -out public.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder / "private.pem"


def fresh(name: str) -> Path:
    """A path in the scratch folder with nothing at it, in a folder of its own with nothing of an earlier try."""
    folder = scratch() / "tries" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder / "out"
