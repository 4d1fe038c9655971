"""tokenizer.json files that want to crash, hang or fill the process that uses them, by name; none of them may."""

import base64
import json
import random
import struct
from typing import Any

LONG = 300_000


def bytes_to_letters() -> dict[str, int]:
    """Byte-level BPE's alphabet: a letter for each byte, with its id."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return {letters[byte]: byte for byte in range(256)}


def bpe(**changes: Any) -> dict[str, Any]:
    """Byte-level BPE without merges."""
    return {"type": "BPE", "vocab": bytes_to_letters(), "merges": [], **changes}


def unigram(**changes: Any) -> dict[str, Any]:
    """A Unigram model of some letters."""
    return {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["▁", -1.5]], **changes}


def word_piece(**changes: Any) -> dict[str, Any]:
    """A WordPiece model of some letters."""
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "a": 1, "##a": 2},
        **changes,
    }


def word_level(**changes: Any) -> dict[str, Any]:
    """A WordLevel model of one word."""
    return {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1}, **changes}


def whole(model: Any = None, **changes: Any) -> dict[str, Any]:
    """A tokenizer.json around a model."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": bpe() if model is None else model,
        **changes,
    }


def added(content: Any, number: Any, **changes: Any) -> dict[str, Any]:
    """An entry of added_tokens."""
    return {
        "id": number,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
        **changes,
    }


def replacing(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    """A Replace, as normalizers and decoders have it."""
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(parts: list[Any], name: str = "normalizers") -> dict[str, Any]:
    """Several one after the other."""
    return {"type": "Sequence", name: parts}


def split(pattern: str, kind: str = "Regex", behavior: Any = "Isolated") -> dict[str, Any]:
    """A pre-tokenizer that splits by a pattern."""
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": False}


def precompiled(table: bytes) -> dict[str, Any]:
    """SentencePiece's normalizer with its table."""
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


def nested(depth: int, name: str = "normalizers") -> str:
    """A Sequence in a Sequence, so deep, as JSON."""
    return f'{{"type":"Sequence","{name}":[' * depth + "]}" * depth


def template(single: list[Any], special: dict[str, Any]) -> dict[str, Any]:
    """A TemplateProcessing."""
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special}


def with_part(part: str, text: str) -> str:
    """A tokenizer.json whose part is given as JSON."""
    return json.dumps(whole(**{part: "@ here @"})).replace(json.dumps("@ here @"), text)


def trie(*units: int, size: int | None = None, normalized: bytes = b"") -> bytes:
    """SentencePiece's table: the size of the trie in bytes, its units, and the replacements."""
    packed = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(packed) if size is None else size) + packed + normalized


random_bytes = random.Random(12).randbytes
TEXT = {"Sequence": {"id": "A", "type_id": 0}}
BOS = {"SpecialToken": {"id": "<s>", "type_id": 0}}

NO_TOKENIZERS: dict[str, str | bytes] = {
    "empty": "",
    "empty_object": "{}",
    "a_list": "[]",
    "null": "null",
    "a_number": "3",
    "zero_bytes": b"\0" * 99,
    "random_bytes": random_bytes(4096),
    "no_utf8": b'{"version": "\xff\xfe"}',
    "utf16": '{"version": "1.0"}'.encode("utf-16"),
    "byte_order_mark": b"\xef\xbb\xbf" + json.dumps(whole()).encode(),
    "truncated": json.dumps(whole())[:-30],
    "trailing": json.dumps(whole()) + "}",
    "deep_lists": "[" * 200_000,
    "deep_objects": '{"a":' * 200_000,
    "deep_extra": json.dumps(whole())[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "nan": json.dumps(whole(unigram())).replace("-2.0", "NaN"),
    "version_9": json.dumps(whole(version="9.0")),
    "half_a_pair": json.dumps(whole()).replace('"1.0"', '"\\ud800"'),
    "twice_the_model": json.dumps(whole())[:-1] + ', "model": {"type": "BPE"}}',
}

MODELS: dict[str, Any] = {
    "unknown_model": {"type": "Psychic"},
    "model_is_a_number": 3,
    "model_is_a_list": [],
    "model_is_null": {"type": None},
    "no_vocab": {"type": "BPE"},
    "vocab_is_a_list": bpe(vocab=["a"]),
    "vocab_is_null": bpe(vocab=None),
    "vocab_is_empty": bpe(vocab={}),
    "negative_id": bpe(vocab={"a": -1}),
    "id_of_33_bits": bpe(vocab={"a": 2**32}),
    "greatest_id": bpe(vocab={"a": 2**32 - 1}),
    "fractional_id": bpe(vocab={"a": 1.5}),
    "id_is_text": bpe(vocab={"a": "1"}),
    "twice_an_id": bpe(vocab=dict.fromkeys(bytes_to_letters(), 7)),
    "holes": bpe(vocab={k: v * 7 for k, v in bytes_to_letters().items()}),
    "ids_beyond_the_model": bpe(vocab={k: v + 1_000_000 for k, v in bytes_to_letters().items()}),
    "empty_token": bpe(vocab={**bytes_to_letters(), "": 256}),
    "merge_of_strangers": bpe(merges=["zz yy"]),
    "merge_of_three": bpe(merges=["a b c"]),
    "merge_of_one": bpe(merges=["a"]),
    "merges_are_numbers": bpe(merges=[3]),
    "merge_without_result": bpe(merges=["a b"]),
    "merges_are_text": bpe(merges="a b"),
    "merge_of_lists": bpe(merges=[["a"]]),
    "prefix_inside_a_letter": bpe(
        vocab={**bytes_to_letters(), "aü": 256}, merges=["a ü"], continuing_subword_prefix="x"
    ),
    "prefix_longer_than_tokens": bpe(
        vocab={**bytes_to_letters(), "ab": 256}, merges=["a b"], continuing_subword_prefix="########"
    ),
    "suffix_is_long": bpe(end_of_word_suffix="</w>" * LONG),
    "dropout_of_two": bpe(dropout=2.0),
    "dropout_of_all": bpe(dropout=1.0),
    "negative_dropout": bpe(dropout=-1.0),
    "unknown_without_vocab": bpe(unk_token="<nobody>"),
    "unknown_alone": bpe(vocab={"<unk>": 0}, unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "many_merges_of_one": bpe(
        vocab={**bytes_to_letters(), **{"a" * n: 256 + n for n in range(2, 1500)}},
        merges=[f"a {'a' * (n - 1)}" for n in range(2, 1500)],
    ),
    "unigram_of_nothing": unigram(vocab=[]),
    "unigram_unknown_beyond": unigram(unk_id=99),
    "unigram_unknown_negative": unigram(unk_id=-1),
    "unigram_unknown_huge": unigram(unk_id=2**64 - 1),
    "unigram_no_unknown": unigram(unk_id=None),
    "unigram_empty_piece": unigram(vocab=[["<unk>", 0.0], ["", -1.0]]),
    "unigram_infinite_score": unigram(vocab=[["<unk>", 0.0], ["a", -1e308], ["aa", 1e308]]),
    "unigram_of_three": unigram(vocab=[["a", 1.0, 2]]),
    "unigram_score_is_text": unigram(vocab=[["a", "x"]]),
    "unigram_long_pieces": unigram(vocab=[["<unk>", 0.0], *[["a" * n, -1.0] for n in range(1, 1500)]]),
    "unigram_byte_fallback": unigram(byte_fallback=True),
    "unigram_bytes_partly": unigram(vocab=[["<unk>", 0.0], ["<0x41>", -1.0], ["<0xZZ>", -1.0]], byte_fallback=True),
    "unigram_twice_a_piece": unigram(vocab=[["<unk>", 0.0], *[["a", -1.0]] * 1000]),
    "word_piece_no_limit": word_piece(max_input_chars_per_word=2**63),
    "word_piece_negative_limit": word_piece(max_input_chars_per_word=-1),
    "word_piece_no_unknown": word_piece(unk_token="<nobody>"),
    "word_piece_empty_prefix": word_piece(continuing_subword_prefix=""),
    "word_piece_quadratic": word_piece(
        max_input_chars_per_word=10**9, vocab={"[UNK]": 0, "a": 1, "##a": 2, "a" * 9000: 3}
    ),
    "word_level_no_unknown": word_level(unk_token="<nobody>"),
    "word_level_of_nothing": word_level(vocab={}),
    "word_level_huge_ids": word_level(vocab={"[UNK]": 4_000_000_000}),
}

NORMALIZERS: dict[str, Any] = {
    "a_thousandfold": replacing("a", "a" * 1000),
    "a_millionfold": replacing("a", "a" * LONG),
    "chained_replacing": sequence([replacing("a", "a" * 100)] * 10),
    "replacing_nothing": replacing("", "aaaa"),
    "replacing_between_all": replacing("", "a" * 100_000, "Regex"),
    "regex_without_end": replacing("(a+)+$", "b", "Regex"),
    "regex_of_alternatives": replacing("(a|aa|a)*c", "b", "Regex"),
    "regex_nested": replacing("(((a*)*)*)*b", "b", "Regex"),
    "regex_that_is_none": replacing("(((", "b", "Regex"),
    "regex_recursive": replacing("(?<a>\\g<a>|a)", "b", "Regex"),
    "regex_back_reference": replacing("(a*)*\\1b", "x", "Regex"),
    "regex_repeated": replacing("(a{1,1000}){1,1000}b", "x", "Regex"),
    "regex_deep": replacing("(" * 10_000 + "a" + ")" * 10_000, "x", "Regex"),
    "regex_huge_class": replacing("[" + "a-z" * 100_000 + "]", "x", "Regex"),
    "regex_look_behind": replacing("(?<=a|bc)d", "x", "Regex"),
    "prepending_much": {"type": "Prepend", "prepend": "a" * LONG},
    "charsmap_empty": precompiled(b""),
    "charsmap_short": precompiled(b"\1"),
    "charsmap_of_nothing": precompiled(trie()),
    "charsmap_size_huge": precompiled(trie(size=2**32 - 1)),
    "charsmap_size_odd": precompiled(trie(1, 2, size=7)),
    "charsmap_random": precompiled(trie(*struct.unpack("<1024I", random_bytes(4096)), normalized=random_bytes(64))),
    "charsmap_all_ones": precompiled(trie(*[2**32 - 1] * 256)),
    "charsmap_all_leaves": precompiled(trie(*[0x80000000 | 99] * 2048)),
    "charsmap_inside_a_letter": precompiled(trie(*[0x101] * 2048, normalized="äöü".encode() * 9)),
    "charsmap_no_base64": {"type": "Precompiled", "precompiled_charsmap": "!!"},
    "charsmap_no_text": {"type": "Precompiled", "precompiled_charsmap": 3},
    "unknown_normalizer": {"type": "Evil"},
    "normalizer_is_a_list": [],
    "strip_wrong": {"type": "Strip", "strip_left": 3, "strip_right": None},
    "compatibility_many_times": sequence([{"type": "NFKD"}, {"type": "NFKC"}] * 2000),
    "sequence_of_nothing": sequence([]),
}

PRE_TOKENIZERS: dict[str, Any] = {
    "split_without_end": split("(a+)+$"),
    "split_of_alternatives": split("(a|aa)*c"),
    "split_of_nothing": split("", "String"),
    "split_of_empty_regex": split(""),
    "split_bad_behavior": split("a", behavior="Explode"),
    "split_that_is_none": split("*"),
    "split_look_ahead": split("(?=(a+))*b"),
    "split_deep": split("(?:" * 20_000 + ")" * 20_000),
    "fixed_length_of_nothing": {"type": "FixedLength", "length": 0},
    "fixed_length_negative": {"type": "FixedLength", "length": -1},
    "delimiter_of_two": {"type": "CharDelimiterSplit", "delimiter": "ab"},
    "delimiter_of_none": {"type": "CharDelimiterSplit", "delimiter": ""},
    "metaspace_of_none": {"type": "Metaspace", "replacement": "", "prepend_scheme": "always", "split": True},
    "metaspace_of_many": {"type": "Metaspace", "replacement": "▁" * 1000, "prepend_scheme": "always", "split": True},
    "metaspace_bad_scheme": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "sometimes", "split": True},
    "unknown_pre_tokenizer": {"type": "Evil"},
    "byte_levels": sequence([whole()["pre_tokenizer"]] * 40, "pretokenizers"),
    "digits_wrong": {"type": "Digits", "individual_digits": "yes"},
    "no_byte_level": None,
}

DECODERS: dict[str, Any] = {
    "decoder_thousandfold": replacing("a", "a" * 100_000),
    "decoder_replacing_nothing": replacing("", "a" * 100_000),
    "decoder_chained": sequence([replacing("a", "a" * 100)] * 10, "decoders"),
    "decoder_strips_too_much": {"type": "Strip", "content": "a", "start": 2**63, "stop": 2**63},
    "decoder_strips_a_letter": {"type": "Strip", "content": "a", "start": 1, "stop": 1},
    "decoder_unknown": {"type": "Evil"},
    "decoder_of_words": {"type": "WordPiece", "prefix": "", "cleanup": True},
    "decoder_bpe_empty": {"type": "BPEDecoder", "suffix": ""},
    "decoder_ctc": {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True},
    "decoder_regex": replacing("(a+)+$", "b", "Regex"),
}

OTHERS: dict[str, dict[str, Any]] = {
    "post_adds_much": {
        "post_processor": template([BOS] * 100_000 + [TEXT], {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}})
    },
    "post_adds_strangers": {"post_processor": template([BOS, TEXT], {})},
    "post_adds_beyond": {
        "post_processor": template([BOS, TEXT], {"<s>": {"id": "<s>", "ids": [2**32 - 1], "tokens": ["<s>"]}})
    },
    "post_adds_many_ids": {
        "post_processor": template([BOS, TEXT], {"<s>": {"id": "<s>", "ids": [0] * LONG, "tokens": ["<s>"] * LONG}})
    },
    "post_forgets_the_text": {"post_processor": template([], {})},
    "post_unknown": {"post_processor": {"type": "Evil"}},
    "post_text_many_times": {"post_processor": template([TEXT] * 2000, {})},
    "post_uneven": {"post_processor": template([BOS], {"<s>": {"id": "<s>", "ids": [1, 2], "tokens": []}})},
    "added_empty": {"added_tokens": [added("", 0)]},
    "added_greatest": {"added_tokens": [added("<x>", 2**32 - 1)]},
    "added_of_33_bits": {"added_tokens": [added("<x>", 2**32)]},
    "added_negative": {"added_tokens": [added("<x>", -1)]},
    "added_twice": {"added_tokens": [added("<x>", 256), added("<x>", 257)]},
    "added_on_others": {"added_tokens": [added("<x>", 97), added("<y>", 97)]},
    "added_long": {"added_tokens": [added("x" * LONG, 256)]},
    "added_many": {"added_tokens": [added(f"<{n}>", 256 + n) for n in range(100_000)]},
    "added_growing": {"added_tokens": [added("a" * n, 255 + n, normalized=True) for n in range(1, 1000)]},
    "added_letters": {"added_tokens": [added(chr(n), 256 + n, lstrip=True, rstrip=True) for n in range(1, 500)]},
    "added_is_text": {"added_tokens": "x"},
    "added_without_content": {"added_tokens": [{"id": 3}]},
    "added_nobody": {"added_tokens": [added(None, 3)]},
    "added_normalized_by_a_bomb": {
        "added_tokens": [added("aaaa", 256, normalized=True)],
        "normalizer": replacing("a", "a" * LONG),
    },
    "truncation_of_nothing": {
        "truncation": {"max_length": 0, "strategy": "LongestFirst", "stride": 5, "direction": "Right"}
    },
    "truncation_wrong": {"truncation": {"max_length": -1}},
    "truncation_stride": {
        "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 9, "direction": "Left"}
    },
    "padding_huge": {
        "padding": {
            "strategy": {"Fixed": 2**40},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "x",
        }
    },
    "padding_multiple_of_none": {
        "padding": {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": 0,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "x",
        }
    },
}

DEEP = {
    f"{part}_{depth}_deep": with_part(part, nested(depth, name))
    for part, name in (
        ("normalizer", "normalizers"),
        ("pre_tokenizer", "pretokenizers"),
        ("decoder", "decoders"),
        ("post_processor", "processors"),
    )
    for depth in (20, 60, 120, 100_000)
}

HOSTILE_TOKENIZERS: dict[str, str | bytes] = {
    **NO_TOKENIZERS,
    **{name: json.dumps(whole(model)) for name, model in MODELS.items()},
    **{name: json.dumps(whole(normalizer=part)) for name, part in NORMALIZERS.items()},
    **{name: json.dumps(whole(pre_tokenizer=part)) for name, part in PRE_TOKENIZERS.items()},
    **{name: json.dumps(whole(decoder=part)) for name, part in DECODERS.items()},
    **{name: json.dumps(whole(**changes)) for name, changes in OTHERS.items()},
    **DEEP,
}
