r"""Trains the small mixture of experts: Qwen2-MoE architecture, 6 million parameters, made of the small dense model.

    python models/corpus.py out/corpus
    python models/train_mixture.py out/corpus models/tyllm-moe-6m --steps 400 --batch 8 --window 128 --rate 1e-3 \
        --dropout 0

Some of the dense model's layers are kept. Their MLP is cut: the channels with the largest weights become the shared
expert, the others are dealt out to experts (sparse upcycling, Komatsuzaki et al., arXiv 2212.05055; by cutting as in
MoEfication, Zhang et al., arXiv 2110.01786). Then all of it is trained on the same text, with a part of the loss that
keeps all experts in use.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from train import command_line, train_on_text
from transformers import AutoTokenizer, Qwen2ForCausalLM, Qwen2MoeConfig, Qwen2MoeForCausalLM

KEPT = (0, 1, 3, 5)  # layers of the dense model
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
EXPERTS, CHOSEN, WIDTH, SHARED = 8, 2, 128, 256


def configuration(dense: Any) -> Qwen2MoeConfig:
    """The mixture's shape, beside a dense model's config."""
    same = ("vocab_size", "hidden_size", "num_attention_heads", "num_key_value_heads", "max_position_embeddings")
    return Qwen2MoeConfig(
        **{name: getattr(dense, name) for name in same},
        intermediate_size=dense.intermediate_size,  # of a layer without experts; there is none
        num_hidden_layers=len(KEPT),
        num_experts=EXPERTS,
        num_experts_per_tok=CHOSEN,
        moe_intermediate_size=WIDTH,
        shared_expert_intermediate_size=SHARED,
        norm_topk_prob=True,
        rope_parameters=dense.rope_parameters,
        tie_word_embeddings=True,
        output_router_logits=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def channels(mlp: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The shared expert's channels of an MLP [SHARED], and those of each expert [EXPERTS, WIDTH].

    Each expert gets large and small ones; there is room for the largest of them twice.
    """
    gate, up, down = (linear.weight.norm(dim=axis) for linear, axis in zip(mlp.children(), (1, 1, 0), strict=False))
    order = (gate * up * down).argsort(descending=True)
    others = order[SHARED:]
    dealt = torch.cat([others, others])[: EXPERTS * WIDTH]
    return order[:SHARED], dealt.view(WIDTH, EXPERTS).T


@torch.no_grad()
def cut(mlp: Any, block: Any) -> None:
    """Give a mixture's `block` the weights of a dense model's `mlp`; together they give about what it gives."""
    gate, up, down = (linear.weight for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
    shared, experts = channels(mlp)
    for linear, weight in zip(
        block.shared_expert.children(), (gate[shared], up[shared], down[:, shared]), strict=False
    ):
        linear.weight.copy_(weight)
    block.shared_expert.down_proj.weight.mul_(2)  # its gate gives a half
    block.shared_expert_gate.weight.zero_()
    block.gate.weight.normal_(std=0.02)
    for number, own in enumerate(experts):
        block.experts.gate_up_proj[number].copy_(torch.cat([gate[own], up[own]]))
        block.experts.down_proj[number].copy_(down[:, own] * CHOSEN)  # whose weights add up to 1


def mixture(folder: Path) -> Qwen2MoeForCausalLM:
    """The mixture made of the dense model in `folder`, its experts computed in groups of rows."""
    dense = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = Qwen2MoeForCausalLM(configuration(dense.config))
    model.set_experts_implementation("grouped_mm")
    model.model.embed_tokens.load_state_dict(dense.model.embed_tokens.state_dict())
    model.model.norm.load_state_dict(dense.model.norm.state_dict())
    for layer, number in zip(model.model.layers, KEPT, strict=True):
        old = dense.model.layers[number]
        for name in ("self_attn", "input_layernorm", "post_attention_layernorm"):
            getattr(layer, name).load_state_dict(getattr(old, name).state_dict())
        cut(old.mlp, layer.mlp)
    return model


def main() -> None:
    """Reads the command line and trains."""
    parser = command_line(__doc__)
    parser.add_argument("--dense", type=Path, default=Path("models/tyllm-7m"), help="the dense model")
    args = parser.parse_args()
    train_on_text(lambda: mixture(args.dense), lambda documents: AutoTokenizer.from_pretrained(args.dense), args)
    for name in TOKENIZER:  # transformers would write it in other words
        shutil.copy(args.dense / name, args.output)


if __name__ == "__main__":
    main()
