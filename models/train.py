"""Trains the small model: Qwen2 architecture, 7 million parameters, on the text that corpus.py collects.

    python models/corpus.py out/corpus
    python models/train.py out/corpus models/tyllm-7m

A CUDA device takes a few minutes (bfloat16 autocast), two CPU cores many hours (float32). Seeded: a CPU repeats it
exactly, a GPU up to the order of its sums.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from measure import loss_on
from tokenizer import END_OF_TEXT, TURN_END, chat_tokenizer, save_tokenizer, train_bpe
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

VOCABULARY = 4096
CONTEXT = 4096  # positions that the configuration allows
VALIDATION = 0.01  # share of the documents that choose the best epoch
WARM_UP = 200  # steps
BALANCE = 0.01  # weight of the loss that makes a mixture's router choose all experts alike often
DROPPED_OUT = ("embed_tokens", "o_proj", "down_proj")  # whose outputs dropout thins: what enters the residual stream


def read_lines(path: Path) -> list[Any]:
    """The JSON values of a file with one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def configuration() -> Qwen2Config:
    """The model's shape: every linear's input is a multiple of 128, two query heads share a KV head."""
    return Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def new_tokenizer(documents: list[str]) -> Any:
    """A tokenizer made from the training documents."""
    return chat_tokenizer(train_bpe(documents, VOCABULARY), CONTEXT)


def token_streams(
    corpus: Path, seed: int, make_tokenizer: Callable[[list[str]], Any]
) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The tokenizer, which is made from the training documents, and the training and validation tokens.

    These are shuffled texts, each ended by `<|endoftext|>`.
    """
    documents = read_lines(corpus / "documents.jsonl")
    random.Random(seed).shuffle(documents)
    cut = math.ceil(len(documents) * VALIDATION)
    tokenizer = make_tokenizer(documents[cut:])
    chats = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in read_lines(corpus / "chats.jsonl")]
    training = documents[cut:] + chats
    random.Random(seed).shuffle(training)
    return tokenizer, stream(tokenizer, training), stream(tokenizer, documents[:cut])


def stream(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """All texts as one (tokens,) tensor."""
    joined = tokenizer([text + END_OF_TEXT for text in texts], verbose=False)["input_ids"]
    return torch.tensor([token for ids in joined for token in ids])


def add_dropout(model: Any, rate: float) -> None:
    """Makes the model drop out what enters its residual stream while it trains (the architecture itself has none)."""
    for name, module in model.named_modules():
        if name.endswith(DROPPED_OUT):
            module.register_forward_hook(lambda module, _, output: F.dropout(output, rate, module.training))


def optimizer(model: Any, rate: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))


def schedule(step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to nothing."""
    warm_up = min(WARM_UP, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def batches(tokens: torch.Tensor, window: int, batch: int, seed: int) -> Any:
    """Endless (batch, window + 1) batches of windows; each pass starts at another offset and sees each token once."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        start = int(torch.randint(window, (), generator=generator))
        windows = tokens[start:].unfold(0, window + 1, window)
        for rows in torch.randperm(len(windows), generator=generator).split(batch):
            if len(rows) == min(batch, len(windows)):
                yield windows[rows]


def train_step(model: Any, optim: torch.optim.Optimizer, rows: torch.Tensor, rate: float) -> torch.Tensor:
    """One update; returns its loss (nats a token)."""
    for group in optim.param_groups:
        group["lr"] = rate
    rows = rows.to(model.device, non_blocking=True)
    with torch.autocast("cuda", torch.bfloat16, enabled=model.device.type == "cuda"):
        output = model(rows[:, :-1], use_cache=False)
    loss = F.cross_entropy(output.logits.float().flatten(0, 1), rows[:, 1:].flatten())
    if (balance := getattr(output, "aux_loss", None)) is not None:
        loss = loss + BALANCE * balance
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optim.step()
    optim.zero_grad(set_to_none=True)
    return loss.detach()


def validate(model: Any, validation: torch.Tensor) -> float:
    """Validation loss (nats a token), dropout off."""
    model.eval()
    loss: float = loss_on(model, validation)
    model.train()
    return loss


def train(
    model: Any, training: torch.Tensor, validation: torch.Tensor, args: argparse.Namespace
) -> list[dict[str, float]]:
    """Trains `model` and leaves it with the weights of its best validation; returns the curve."""
    steps = args.steps or math.ceil(args.epochs * len(training) / (args.batch * args.window))
    every = max(1, steps // 40)
    optim, curve, best, began = optimizer(model, args.rate), [], {}, time.time()
    source = batches(training, args.window, args.batch, args.seed)
    model.train()
    for step in range(steps):
        loss = train_step(model, optim, next(source), args.rate * schedule(step, steps))
        if (step + 1) % every and step + 1 != steps:
            continue
        seen, passed = (step + 1) * args.batch * args.window, time.time() - began
        curve.append({"step": step + 1, "tokens": seen, "loss": float(loss), "validation": validate(model, validation)})
        if curve[-1]["validation"] <= min(point["validation"] for point in curve):
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        left = passed / (step + 1) * (steps - step - 1)
        print(
            f"step {step + 1}/{steps}  loss {curve[-1]['loss']:.3f}  validation {curve[-1]['validation']:.3f}  "
            f"{seen / passed:.0f} tokens/s  {left:.0f} s left",
            flush=True,
        )
    model.load_state_dict(best)
    return curve


def save(model: Any, tokenizer: Any, curve: list[dict[str, float]], args: argparse.Namespace) -> None:
    """Writes the float16 checkpoint, the tokenizer, and beside them training.json: settings and curve."""
    ends = tokenizer.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
    model.config.eos_token_id, model.config.pad_token_id = ends
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[1])
    if "output_router_logits" in model.config.to_dict():
        model.config.output_router_logits = False  # they are for the loss of the training
    model.half().save_pretrained(args.output)
    save_tokenizer(tokenizer, args.output)
    (args.output / "model.safetensors").chmod(0o644)
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    record = {"settings": settings, "parameters": model.num_parameters(), "curve": curve}
    (args.output / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def command_line(description: str | None) -> argparse.ArgumentParser:
    """The options of a training."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder that corpus.py wrote")
    parser.add_argument("output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--epochs", type=float, default=30)
    parser.add_argument("--steps", type=int, default=0, help="updates, instead of epochs")
    parser.add_argument("--batch", type=int, default=64, help="windows an update")
    parser.add_argument("--window", type=int, default=512, help="tokens a window")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def train_on_text(
    make: Callable[[], Any], make_tokenizer: Callable[[list[str]], Any], args: argparse.Namespace
) -> None:
    """Trains the model that `make` makes, saves it with its tokenizer, and says where."""
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)  # the loss's gradient is full of them, and a CPU takes them slowly
    torch.set_float32_matmul_precision("medium")  # bfloat16 products, float32 sums: a third faster on a CPU with AMX
    tokenizer, training, validation = token_streams(args.corpus, args.seed, make_tokenizer)
    model = make().to(args.device)
    add_dropout(model, args.dropout)
    print(
        f"{model.num_parameters():,} parameters, {len(training):,} training and {len(validation):,} validation tokens"
    )
    curve = train(model, training, validation, args)
    save(model, tokenizer, curve, args)
    print(f"{args.output}: best validation loss {min(point['validation'] for point in curve):.4f}")


if __name__ == "__main__":
    train_on_text(lambda: Qwen2ForCausalLM(configuration()), new_tokenizer, command_line(__doc__).parse_args())
