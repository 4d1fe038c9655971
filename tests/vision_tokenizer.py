"""A byte-level tokenizer and a chat template for the tiny vision-language checkpoints."""

import json

from tests.tiny_vision_language import TEXT, TOKENS
from tokenizer import VISION_CHAT_TEMPLATE
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TURNS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # behind the 256 bytes
SIGHTS = {
    "<|image_pad|>": TOKENS["image_token_id"],
    "<|video_pad|>": TOKENS["video_token_id"],
    "<|vision_start|>": TOKENS["vision_start_token_id"],
    "<|vision_end|>": TOKENS["vision_end_token_id"],
}


def write_vision_tokenizer(folder):
    """tokenizer.json and what belongs to it; ids that nothing uses are made-up words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = dict(zip(TURNS, range(256, 259), strict=True)) | SIGHTS
    words = {token: i for i, token in enumerate(alphabet)} | special
    words |= {f"<{i}>": i for i in range(259, TEXT["vocab_size"]) if i not in special.values()}
    tokenizer = Tokenizer(models.BPE(words, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 258}))
    (folder / "chat_template.jinja").write_text(VISION_CHAT_TEMPLATE)
