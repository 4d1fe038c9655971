"""The parsers, each as a function of bytes that returns, or raises what the parser's docstring names."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tyllm_base.errors import PackageError, TyllmError

HERE = Path("input")
CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """A parser: `run` takes the input, `raises` is what it may raise."""

    run: Callable[[bytes], object]
    raises: tuple[type[Exception], ...] = (TyllmError,)

    def __call__(self, content: bytes) -> None:
        with suppress(*self.raises):
            self.run(content)


def seeds(name: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted((CORPUS / name).iterdir())


def _file(content: bytes, name: str = "input") -> Path:
    """The content as a file, in memory where the system has such a place."""
    path = Path(_folder()) / name
    path.write_bytes(content)
    return path


_FOLDERS: list[str] = []


def _folder() -> str:
    if not _FOLDERS:
        shared = "/dev/shm"
        _FOLDERS.append(tempfile.mkdtemp(prefix="tyllm-fuzz-", dir=shared if Path(shared).is_dir() else None))
    return _FOLDERS[0]


def json_reader(content: bytes) -> object:
    from tyllm_base.json_reader import parse_json

    return parse_json(content, constants=len(content) % 2 == 1)


def manifest(content: bytes) -> object:
    from tyllm.package.manifest import Manifest, with_digest, without_digest

    unsigned, digest = without_digest(content)
    return Manifest.parse(with_digest(unsigned) if digest else content, HERE)  # its hash made right


def buffer_config(content: bytes) -> object:
    from tyllm.package.buffer_config import BufferConfig

    return BufferConfig.parse(content, HERE)


def compiled_module(content: bytes) -> object:
    from tyllm.package.compiled_module import ModuleConfig

    aot, _, buffers = content.partition(b"\0")
    return ModuleConfig.parse(aot, buffers, HERE)


def program_file(content: bytes) -> object:
    from tyllm.package.program_file import read_program_file

    return read_program_file(_file(content, "program.json").parent)


def params_header(content: bytes) -> object:
    from tyllm.package.params import Params

    return Params(_file(content, "x.params")).tensors


def safetensors_header(content: bytes) -> object:
    from hf_checkpoint.safetensors_file import read_header

    return read_header(_file(content, "x.safetensors"))


def checkpoint_config(content: bytes) -> object:
    from hf_checkpoint.checkpoint import read_config
    from hf_checkpoint.families import is_vision_language, vision_facts
    from hf_checkpoint.quantization_config import refusal

    config = read_config(_file(content, "config.json").parent)
    found = config.get("quantization_config")
    return is_vision_language(config), vision_facts(config), refusal(found) if isinstance(found, dict) else None


def preprocessor_config(content: bytes) -> object:
    from tyllm.runtime.images.preprocessor_config import ImageSettings

    return ImageSettings.read(_file(content, "preprocessor_config.json").parent)


def saved_conversation(content: bytes) -> object:
    import numpy as np

    from tyllm.runtime.cache.npz_file import NpzFile

    file = NpzFile(content, 4)
    file.check_names(("tokens", "k", "sha256"))
    wanted = (("tokens", "<i8", (None,)), ("k", "<f2", (1, None, 4)), ("sha256", "<U64", ()))
    return [file.read(name, np.dtype(dtype), shape) for name, dtype, shape in wanted]


def image(content: bytes) -> object:
    from hf_messages.image_file import load_image

    return load_image(content)


def data_url(content: bytes) -> object:
    from hf_messages.image_file import load_image

    return load_image("data:" + content.decode("latin1"))


def messages(content: bytes) -> object:
    from hf_messages.messages import separate_media
    from tyllm_base.json_reader import parse_json

    with suppress(ValueError):
        value = parse_json(content)
        if isinstance(value, list):
            return separate_media(value)
    return None


def calibration_lines(content: bytes) -> object:
    from awq.calibration.source import documents_of

    return documents_of(_file(content, "lines.jsonl"))


def hash_cache(content: bytes) -> object:
    from tyllm.package.file_hashes import HashCache

    return HashCache(_file(content, "verified.json"))


def sizes(content: bytes) -> object:
    from awq.run.output_folder import bytes_of
    from tyllm.cli.compile_options import parsed_size, whole_numbers

    text = content.decode("latin1")
    for parser in (bytes_of, parsed_size, whole_numbers):
        with suppress(TyllmError, _bad_parameter()):
            parser(text)
    return None


def _bad_parameter() -> type[Exception]:
    from typer import BadParameter

    return BadParameter


def printable_text(content: bytes) -> object:
    from tyllm_base.printable import one_line

    found = one_line(content.decode("utf-8", "replace")).replace("\t", "")
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in found):
        raise AssertionError(found)
    return found


TARGETS: dict[str, Target] = {
    "json_reader": Target(json_reader, (ValueError,)),
    "manifest": Target(manifest, (PackageError,)),
    "buffer_config": Target(buffer_config, (PackageError,)),
    "compiled_module": Target(compiled_module, (PackageError,)),
    "program_file": Target(program_file, (PackageError,)),
    "params_header": Target(params_header, (PackageError,)),
    "safetensors_header": Target(safetensors_header),
    "checkpoint_config": Target(checkpoint_config),
    "preprocessor_config": Target(preprocessor_config),
    "saved_conversation": Target(saved_conversation, (ValueError, TyllmError)),
    "image": Target(image),
    "data_url": Target(data_url),
    "messages": Target(messages),
    "calibration_lines": Target(calibration_lines),
    "hash_cache": Target(hash_cache, ()),
    "sizes": Target(sizes),
    "printable_text": Target(printable_text),
}
