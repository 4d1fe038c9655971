"""A small byte-level BPE tokenizer with a ChatML template, made from text."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEXT_SPECIALS = (END_OF_TEXT, TURN_START, TURN_END)
VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"
VISION_SPECIALS = (*TEXT_SPECIALS, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD)
# Qwen2's own split (transformers, Qwen2Tokenizer): with it, classes that rebuild the pre-tokenizer agree with the file.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Of the shape of Qwen2-VL's: a system turn unless there is one, and content as a string or as parts.
VISION_CHAT_TEMPLATE = """\
{% macro part(item) %}
{% if item is string %}{{ item }}
{% elif item.type in ('image', 'image_url') or 'image' in item or 'image_url' in item %}
{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{% elif item.type == 'video' or 'video' in item %}
{{ '<|vision_start|><|video_pad|><|vision_end|>' }}
{% elif 'text' in item %}{{ item.text }}
{% endif %}
{% endmacro %}
{% for message in messages %}
{% if loop.first and message.role != 'system' %}
{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{% endif %}
{{ '<|im_start|>' + message.role + '\\n' }}
{% if message.content is string %}{{ message.content }}
{% else %}{% for item in message.content %}{{ part(item) }}{% endfor %}
{% endif %}
{{ '<|im_end|>\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
""".replace("}\n", "}")


def train_bpe(texts: Iterable[str], vocab_size: int, special: Sequence[str] = TEXT_SPECIALS) -> Tokenizer:
    """A byte-level BPE of `vocab_size` tokens, the special ones included (ids 0, 1, 2, …)."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return bpe


def chat_tokenizer(bpe: Tokenizer, longest: int, template: str = CHAT_TEMPLATE) -> Any:
    """The transformers tokenizer around `bpe`: special tokens named, chat template set, `longest` tokens a text."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        chat_template=template,
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Writes the tokenizer's files, with the class name that older transformers and vLLM know too (5.x has its own)."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
