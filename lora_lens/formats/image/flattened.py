"""Module paths whose dots a trainer of image models has written as ``_``, with their dots again.

``down_blocks_0_attentions_1_proj_in`` may have been ``down_blocks.0.attentions.1.proj_in`` or a dozen other
paths: which of its ``_`` were dots is known by the words that the models' modules are called.
"""

from __future__ import annotations

from functools import cache

from ...files.names import is_number

# Words with ``_`` in them that are one component of a path; a component of one word needs no mention
# unless it may stand beside a word that is not known.
_COMPOUND = frozenset(
    [
        "down_blocks",
        "up_blocks",
        "mid_block",
        "transformer_blocks",
        "single_transformer_blocks",
        "double_blocks",
        "single_blocks",
        "joint_blocks",
        "vace_blocks",
        "fuser_blocks",
        "face_adapter",
        "before_proj",
        "after_proj",
        "double_stream_blocks",
        "single_stream_blocks",
        "input_blocks",
        "middle_block",
        "output_blocks",
        "motion_modules",
        "in_layers",
        "out_layers",
        "emb_layers",
        "skip_connection",
        "time_embed",
        "label_emb",
        "conv_in",
        "conv_out",
        "conv_shortcut",
        "time_emb_proj",
        "time_embedding",
        "add_embedding",
        "cond_proj",
        "proj_in",
        "proj_out",
        "to_q",
        "to_k",
        "to_v",
        "to_out",
        "to_qkv",
        "to_q_t",
        "to_k_t",
        "to_v_t",
        "to_out_t",
        "ff_i",
        "ff_t",
        "shared_experts",
        "to_add_out",
        "add_q_proj",
        "add_k_proj",
        "add_v_proj",
        "to_q_ip",
        "to_k_ip",
        "to_v_ip",
        "ff_context",
        "proj_mlp",
        "norm1_context",
        "time_text_embed",
        "timestep_embedder",
        "guidance_embedder",
        "text_embedder",
        "context_embedder",
        "x_embedder",
        "y_embedder",
        "t_embedder",
        "pos_embed",
        "cap_embedder",
        "linear_1",
        "linear_2",
        "conv_1",
        "conv_2",
        "norm_out",
        "norm_q",
        "norm_k",
        "adaLN_modulation",
        "adaln_single",
        "img_attn",
        "txt_attn",
        "img_mlp",
        "txt_mlp",
        "img_mod",
        "txt_mod",
        "img_in",
        "txt_in",
        "time_in",
        "vector_in",
        "guidance_in",
        "in_layer",
        "out_layer",
        "final_layer",
        "x_block",
        "context_block",
        "caption_projection",
        "distilled_guidance_layer",
        "in_proj",
        "individual_token_refiner",
        "context_refiner",
        "noise_refiner",
        "feed_forward",
        "kv_proj",
        "skip_linear",
        "default_modulation",
        "self_attn",
        "cross_attn",
        "k_img",
        "v_img",
        "img_emb",
        "time_projection",
        "text_embedding",
        "patch_embedding",
        "text_model",
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "out_proj",
        "qkv_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
        "text_projection",
        "token_embedding",
        "position_embedding",
        "layer_norm",
        "layer_norm1",
        "layer_norm2",
        "final_layer_norm",
        "wi_0",
        "wi_1",
        "embed_tokens",
        "input_layernorm",
        "lm_head",
        "joint_transformer_blocks",
        "text_transformer_blocks",
        "visual_transformer_blocks",
        "token_refiner",
        "refiner_blocks",
        "condition_embedder",
        "time_embedder",
        "time_proj",
        "text_proj",
        "time_condition_embed",
        "time_step_proj",
        "time_caption_embed",
        "caption_embedder",
        "patch_embed",
        "self_attention",
        "cross_attention",
        "linear_3",
        "linear_in",
        "linear_out",
        "linear_fc1",
        "linear_fc2",
        "to_qkv_mlp_proj",
        "double_stream_modulation_img",
        "double_stream_modulation_txt",
        "single_stream_modulation",
        "to_query",
        "to_key",
        "to_value",
        "context_embedder_2",
        "proj_out_1",
        "proj_out_2",
        "visual_modulation",
        "text_modulation",
        "llm_adapter",
        "output_proj",
        "adaln_modulation_self_attn",
        "adaln_modulation_cross_attn",
        "adaln_modulation_mlp",
    ]
)
_SINGLE = frozenset(
    [
        "attentions",
        "resnets",
        "downsamplers",
        "upsamplers",
        "blocks",
        "layers",
        "layer",
        "block",
        "h",
        "resblocks",
        "encoder",
        "decoder",
        "model",
        "transformer",
        "conv",
        "conv1",
        "conv2",
        "op",
        "attn",
        "attn1",
        "attn2",
        "attention",
        "ff",
        "ffn",
        "net",
        "proj",
        "mlp",
        "fc1",
        "fc2",
        "lin",
        "linear",
        "linear1",
        "linear2",
        "modulation",
        "qkv",
        "Wqkv",
        "wo",
        "wi",
        "q",
        "k",
        "v",
        "o",
        "out",
        "w1",
        "w2",
        "w3",
        "norm",
        "norm1",
        "norm2",
        "emb",
        "adaln",
        "SelfAttention",
        "EncDecAttention",
        "DenseReluDense",
        "embeddings",
        "experts",
        "head",
    ]
)
_KNOWN = _COMPOUND | _SINGLE
_LONGEST = max(word.count("_") for word in _COMPOUND) + 1


@cache
def unflattened(name: str) -> str:
    """The dotted path of a flattened one; ``_`` for ``.`` gives back `name`, so that no two become one.

    Numbers become components. What stands between known words and numbers and is not known stays as it
    is, one component.

    Example:
        >>> unflattened("down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_out_0")
        'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0'
        >>> unflattened("input_blocks_4_1_proj_in")
        'input_blocks.4.1.proj_in'
        >>> unflattened("odd_new_thing_3_to_q")
        'odd_new_thing.3.to_q'
    """
    words = name.split("_")
    parts: list[str] = []
    unknown: list[str] = []
    start = 0
    while start < len(words):
        size = _size(words, start)
        if size == 0:
            unknown.append(words[start])
            start += 1
            continue
        if unknown:
            parts.append("_".join(unknown))
            unknown = []
        parts.append("_".join(words[start : start + size]))
        start += size
    return ".".join([*parts, "_".join(unknown)] if unknown else parts)


def _size(words: list[str], start: int) -> int:
    """How many words from `start` make one component: the longest that is known; 0 where none is."""
    for size in range(_LONGEST, 0, -1):
        found = "_".join(words[start : start + size])
        if start + size <= len(words) and found in _KNOWN:
            return size
    return int(is_number(words[start]))
