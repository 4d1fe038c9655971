"""A config of any model type of transformers, made tiny: its default config with small numbers in all known fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from transformers import AutoConfig, PretrainedConfig

WIDTH, HEADS, HEAD_WIDTH, LAYERS, VOCABULARY, POSITIONS = 128, 4, 32, 2, 352, 256
WINDOW = 16  # tokens, where attention slides or is chunked: short enough that the sweep's texts leave it
SIZES = """
128: hidden_size d_model n_embd emb_dim embed_dim embedding_dim embedding_size word_embed_proj_dim dim
  out_hidden_size projection_dim text_hidden_size encoder_hidden_size hidden_size_global output_dim d_inner_mel
  attention_hidden_size lru_width backbone_hidden_size input_embedding_size output_embedding_size
  projector_hidden_size projection_hidden_size decoder_hidden_size image_token_embed_dim projector_input_dim
  projector_output_dim patch_embed_hidden_size image_text_hidden_size input_size mamba_d_ssm merged_hidden_size
  pooler_output_dim cross_attention_hidden_size hidden_dim
192: intermediate_size ffn_dim n_inner encoder_ffn_dim decoder_ffn_dim d_ff dff d_inner dim_ff feed_forward_size
  ffn_hidden_size mlp_dim intermediate_size_mlp dense_intermediate_size moe_shared_expert_intermediate_size
  alignment_intermediate_size projection_intermediate_size vision_output_dim shared_intermediate_size
96: moe_intermediate_size shared_expert_intermediate_size expert_ffn_hidden_size share_expert_dim
  router_hidden_size
4: num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads attention_heads
  num_encoder_attention_heads num_decoder_attention_heads swa_num_attention_heads num_sliding_attention_heads
  linear_num_value_heads linear_num_heads index_n_heads n_routed_experts num_experts num_local_experts
  moe_num_experts num_global_layers resampler_n_heads resampler_heads mamba_n_heads mamba_num_heads
  conf_num_attention_heads num_latents zero_expert_num num_encoder_heads n_mamba_heads
2: num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers depth layers
  num_decoder_layers num_experts_per_tok moe_topk moe_k moe_top_k num_experts_per_token resampler_depth
  num_layers_per_stack conf_num_hidden_layers num_blocks insert_layer_id linear_num_key_heads n_group
  aligner_num_add_layers attn_layer_period expert_layer_period no_rope_layer_interval interleave_moe_layer_step
  num_expert_group
1: topk_group n_groups attn_layer_offset first_k_dense_replace max_window_layers num_kv_shared_layers
  mamba_n_groups num_nextn_predict_layers
32: head_dim kv_channels d_kv d_head dim_head attention_head_size attention_head_dim qk_head_dim v_head_dim
  q_lora_rank kv_lora_rank o_lora_rank index_head_dim swa_head_dim linear_key_head_dim linear_value_head_dim
  linear_head_dim mamba_d_head mamba_head_dim resampler_head_dim resampler_dim_head query_pre_attn_scalar
  hidden_size_per_layer_input num_query_tokens resampler_n_latents resampler_num_latents latent_query_num
  adapter_rank image_size max_temporal_embeddings mamba_headdim hc_lowrank dim_model_base global_head_dim
16: qk_rope_head_dim qk_nope_head_dim rotary_dim sliding_window attention_chunk_size local_attention
  attention_window_size window_size keep_window_size state_size ssm_state_size mamba_d_state sliding_window_size
  floor_scale laurel_rank time_step_rank mamba_dt_rank index_block_size
8: chunk_size mamba_chunk_size block_size index_topk prompt_length prompt_types segment_types patch_size
  patch_dim d_rel num_centroids centroid_intermediate_top_k gated_norm_rank
256: max_position_embeddings n_positions n_ctx max_seq_len max_target_positions max_source_positions
352: vocab_size decoder_vocab_size vocab_size_per_layer_input audio_vocab_size codebook_size num_embeddings
  encoder_hash_byte_group_vocab ngram_vocab_size_base
"""
"""A value, and the fields that get it where they are larger."""
VALUES = {
    field: int(value)
    for value, fields in re.findall(r"^(\d+): ([^:]*)$", SIZES, re.MULTILINE)
    for field in fields.split()
    if not field.isdigit()
}
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads", "kv_n_heads", "num_query_groups")
WHERE_NONE = {
    "num_key_value_heads": 2,
    "head_dim": HEAD_WIDTH,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
"""What some modeling code reads and no default says."""
KINDS = ("layer_types", "mlp_layer_types", "layers_block_type", "block_types", "attn_layers", "indexer_types")
"""Fields that say of each layer what kind it is."""


def tiny_config(model_type: str, changes: Mapping[str, Any]) -> PretrainedConfig:
    """The tiny config of a model type; `changes` are set above all, those of parts by dotted names."""
    default = AutoConfig.for_model(model_type)
    found = shrunk(default, type(default))
    for name, value in changes.items():
        *path, last = name.split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
        if value is ...:
            place.pop(last, None)
        else:
            place[last] = value
    return AutoConfig.for_model(model_type, **found)


def shrunk(config: PretrainedConfig, kind: type) -> dict[str, Any]:
    """The fields to change, with parts (text, vision, audio) as dictionaries."""
    found: dict[str, Any] = {}
    special = iter(range(VOCABULARY - 1, VOCABULARY - 40, -1))
    raw = config.to_dict()
    heads = next(
        (raw[name] for name in ("num_attention_heads", "n_head", "n_heads") if isinstance(raw.get(name), int)), 0
    )
    layers = layer_count(raw)
    for name, value in raw.items():
        own = config.__dict__.get(name)  # what differs by layer must not be asked for
        if isinstance(own, PretrainedConfig):
            found[name] = shrunk(own, type(own)) | {"model_type": own.model_type}
        elif value is None and name in WHERE_NONE:
            found[name] = WHERE_NONE[name]
        elif isinstance(value, bool) or value is None:
            continue
        elif name in KINDS and isinstance(value, list) and value:
            found[name] = every_kind(value, layers)
        elif name in LAYER_FIELDS and isinstance(value, int):
            found[name] = layers
        elif name == "head_dim" and value is not None and value == raw.get("qk_rope_head_dim"):
            found[name] = VALUES["qk_rope_head_dim"]  # of latent attention
        elif name in KEY_VALUE_HEADS and isinstance(value, int):
            found[name] = 1 if value == 1 else HEADS if value == heads else 2
        elif name in VALUES and isinstance(value, int) and value > VALUES[name]:
            found[name] = VALUES[name]
        elif (
            name.endswith(("_token_id", "_token_index", "_token_ids"))
            and isinstance(value, int)
            and value >= VOCABULARY - 40
        ):
            found[name] = next(special)
        elif name == "rope_parameters" and isinstance(value, dict) and (rope := small_rope(value)) != value:
            found[name] = rope
    return found


LAYER_FIELDS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")


def layer_count(raw: Mapping[str, Any]) -> int:
    """Two layers, or as many as there are kinds of them."""
    kinds = [len(set(raw[name])) for name in KINDS if isinstance(raw.get(name), list) and raw[name]]
    return max([LAYERS, *kinds])


def every_kind(kinds: list[str], layers: int) -> list[str]:
    """Every kind of layer in the order in which they first come, then again from the start."""
    distinct = list(dict.fromkeys(kinds))
    return [distinct[i % len(distinct)] for i in range(layers)]


def small_rope(rope: dict[str, Any]) -> dict[str, Any]:
    """Rotary parameters whose lists are as long as a small head wants."""
    if rope and all(isinstance(value, dict) for value in rope.values()):
        return {name: small_rope(value) for name, value in rope.items()}
    small = dict(rope)
    if sections := rope.get("mrope_section"):
        pairs = HEAD_WIDTH // 2
        first = [section * pairs // sum(sections) for section in sections[:-1]]
        small["mrope_section"] = [*first, pairs - sum(first)]
    if "original_max_position_embeddings" in rope:
        small["original_max_position_embeddings"] = min(POSITIONS // 4, rope["original_max_position_embeddings"])
    return small
