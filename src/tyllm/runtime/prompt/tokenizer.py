"""The package's tokenizer.json, and the special tokens that chat templates ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources.abc import Traversable

from tyllm.package.file_names import TOKENIZER, TOKENIZER_CONFIG
from tyllm.package.json_file import read_json_if_there
from tyllm_base.errors import GenerationError, PackageError
from tyllm_base.panics import is_failure

SPECIAL_TOKENS_MAP = "special_tokens_map.json"


class Tokenizer:
    """Text to token ids and back."""

    def __init__(self, folder: Traversable) -> None:
        """Read tokenizer.json; raises `PackageError` where there is none or it is not one."""
        from tokenizers import Tokenizer as Reader

        if not self.is_in(folder):
            raise PackageError(f"{folder} has no {TOKENIZER}; give token ids, or compile a checkpoint that has one.")
        try:
            self._tokenizer = Reader.from_buffer((folder / TOKENIZER).read_bytes())
        except BaseException as error:  # the library raises nothing narrower, and its panics are no Exception
            if not is_failure(error):
                raise
            raise PackageError(f"{folder / TOKENIZER} cannot be read ({error}); compile the model again.") from error
        self._tokenizer.no_truncation()  # a file may ask for it, and would then cut prompts silently
        self._tokenizer.no_padding()

    @cached_property
    def special(self) -> Mapping[int, str]:
        """The special tokens: their text by id."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token: str(entry.content) for token, entry in added.items() if entry.special and entry.content}

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """The ids of all tokens by their own text."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))

    def to_json(self) -> str:
        """The tokenizer in the form of tokenizer.json, for other libraries."""
        text: str = self._tokenizer.to_str()
        return text

    def token_id(self, text: str) -> int | None:
        """The id of a token by its own text; None for none."""
        found: int | None = self._tokenizer.token_to_id(text)
        return found

    @staticmethod
    def is_in(folder: Traversable) -> bool:
        """Whether the package has a tokenizer."""
        return (folder / TOKENIZER).is_file()

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text; raises `GenerationError` for half a UTF-16 pair, or where the tokenizer fails."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise GenerationError(f"The text is not Unicode ({error}); remove that character.") from error
        try:
            return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)
        except BaseException as error:
            if not is_failure(error):
                raise
            raise GenerationError(
                f"The package's {TOKENIZER} cannot encode this text ({error}); give token ids, or compile a checkpoint "
                "whose tokenizer can."
            ) from error

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of token ids, with U+FFFD for bytes that are no character; raises `GenerationError`."""
        try:
            return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=skip_special_tokens))
        except BaseException as error:
            if not is_failure(error):
                raise
            raise GenerationError(
                f"The package's {TOKENIZER} cannot decode {list(token_ids)!r:.60} ({error}); compile a checkpoint "
                "whose tokenizer can."
            ) from error


def special_tokens(folder: Traversable) -> dict[str, str]:
    """bos_token, eos_token and the like by name, as text."""
    found: dict[str, str] = {}
    for file in (SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG):
        for name, value in read_json_if_there(folder / file).items():
            text = _text(value)
            if name.endswith("_token") and text is not None:
                found[name] = text
    return found


def _text(value: object) -> str | None:
    """Checkpoints write a token as text or as an object with its properties."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None
