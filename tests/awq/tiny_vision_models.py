"""Tiny random Qwen2-VL and Qwen2.5-VL checkpoints with tokenizer, preprocessor and images."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2VLConfig

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
SPECIALS += ["<|video_pad|>", "<|unused|>"]  # 8, so that the vocabulary is a multiple of 8
IDS = dict(zip(SPECIALS, range(256, 264), strict=True))
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for c in m.content %}{% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
)
TEXT = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 264,
    "max_position_embeddings": 512,
    "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e4},
    "bos_token_id": None,
    "eos_token_id": None,
}
TOKENS = {f"{name}_token_id": IDS[f"<|{token}|>"] for name, token in
          {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start",
           "vision_end": "vision_end"}.items()}  # fmt: skip
FAMILIES = {
    "qwen2_vl": lambda **more: Qwen2VLConfig(
        text_config=TEXT,
        vision_config={"depth": 2, "embed_dim": 64, "hidden_size": 128, "num_heads": 4, "mlp_ratio": 2},
        **TOKENS | more,
    ),
    "qwen2_5_vl": lambda **more: Qwen2_5_VLConfig(
        text_config=TEXT,
        vision_config={"depth": 2, "hidden_size": 64, "intermediate_size": 84, "num_heads": 4, "out_hidden_size": 128,
                       "fullatt_block_indexes": [1], "window_size": 56},
        **TOKENS | more,
    ),
}  # fmt: skip


def random_vision_model(family: str, tied: bool = False) -> torch.nn.Module:
    """A float32 model whose random weights, float16 numbers, are large enough that every layer matters."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(FAMILIES[family](tie_word_embeddings=tied))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_tokens" not in name:
                parameter.normal_(std=1.5 / parameter[0].numel() ** 0.5)
            elif parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) / 8)
            parameter.copy_(parameter.half())
    return model


def write_vision_checkpoint(folder: Path, family: str, tied: bool = False, hub_names: bool = True) -> Path:
    """A float16 checkpoint of that model with all that lies beside it, under the hub's or transformers 5's names."""
    model = random_vision_model(family, tied)
    model.half().save_pretrained(folder)
    file = folder / "model.safetensors"
    if not hub_names:
        stored = load_file(file)
        renamed = {
            name.replace("model.", "model.language_model.", 1): tensor.clone() for name, tensor in stored.items()
        }
        save_file(
            {f"model.{n}" if n.startswith("visual.") else n: t for n, t in renamed.items()}, file, {"format": "pt"}
        )
    tokenizer().save_pretrained(folder)
    settings = {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 28 * 28 * 64}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and special tokens."""
    vocabulary = {byte: index for index, byte in enumerate(sorted(ByteLevel.alphabet()))} | IDS
    found = Tokenizer(models.BPE(vocabulary, []))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens(SPECIALS)
    return PreTrainedTokenizerFast(tokenizer_object=found, chat_template=TEMPLATE, eos_token="<|im_end|>")


def image(seed: int, width: int = 84, height: int = 56) -> Image.Image:
    """Random blocks of color."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 14, width // 14, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def conversation(image: object, seed: int = 0) -> list[dict[str, object]]:
    """A question about an image, and an answer."""
    said = [{"type": "image", "image": image}, {"type": "text", "text": f"What is number {seed}?"}]
    return [{"role": "user", "content": said}, {"role": "assistant", "content": "abc" * (1 + seed % 4)}]


def image_inputs(image: Image.Image, text: str = "Hello") -> dict[str, torch.Tensor]:
    """A prompt with an image, as Hugging Face's processor makes it."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    found = Qwen2VLImageProcessorPil()(images=[image], return_tensors="pt")
    count = int(found["image_grid_thw"].prod()) // 4
    prompt = f"<|im_start|>user\n<|vision_start|>{'<|image_pad|>' * count}<|vision_end|>{text}<|im_end|>\n"
    ids = torch.tensor([tokenizer().encode(prompt)])
    kinds = (ids == IDS["<|image_pad|>"]).int()
    return {"input_ids": ids, "mm_token_type_ids": kinds, **{n: found[n] for n in ("pixel_values", "image_grid_thw")}}
