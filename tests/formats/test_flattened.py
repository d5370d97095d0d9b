"""Flattened paths get their dots back; and never become another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.formats.image.flattened import unflattened

# Modules as the models themselves name them.
PATHS = [
    "conv_in",
    "time_embedding.linear_1",
    "time_embedding.linear_2",
    "add_embedding.linear_1",
    "conv_out",
    "down_blocks.0.resnets.1.conv1",
    "down_blocks.0.resnets.1.time_emb_proj",
    "up_blocks.1.resnets.0.conv_shortcut",
    "down_blocks.0.downsamplers.0.conv",
    "up_blocks.0.upsamplers.0.conv",
    "mid_block.attentions.0.proj_in",
    "mid_block.attentions.0.transformer_blocks.9.attn2.to_out.0",
    "down_blocks.2.attentions.1.transformer_blocks.3.ff.net.0.proj",
    "up_blocks.1.attentions.2.transformer_blocks.0.ff.net.2",
    "input_blocks.4.1.transformer_blocks.1.attn1.to_q",
    "input_blocks.1.0.in_layers.2",
    "input_blocks.5.0.emb_layers.1",
    "input_blocks.4.0.skip_connection",
    "input_blocks.3.0.op",
    "middle_block.1.proj_out",
    "middle_block.0.out_layers.3",
    "output_blocks.2.2.conv",
    "output_blocks.8.0.out_layers.3",
    "time_embed.0",
    "label_emb.0.2",
    "out.2",
    "text_model.encoder.layers.11.self_attn.q_proj",
    "text_model.encoder.layers.0.mlp.fc1",
    "text_projection",
    "encoder.block.3.layer.0.SelfAttention.q",
    "encoder.block.3.layer.1.DenseReluDense.wi_1",
    "double_blocks.18.img_attn.qkv",
    "double_blocks.0.txt_attn.proj",
    "double_blocks.0.img_mlp.2",
    "double_blocks.0.img_mod.lin",
    "single_blocks.37.linear1",
    "single_blocks.37.modulation.lin",
    "final_layer.adaLN_modulation.1",
    "final_layer.linear",
    "time_in.in_layer",
    "vector_in.out_layer",
    "img_in",
    "transformer_blocks.0.attn.add_q_proj",
    "transformer_blocks.0.attn.to_add_out",
    "transformer_blocks.0.ff_context.net.0.proj",
    "single_transformer_blocks.7.proj_mlp",
    "transformer_blocks.0.norm1_context.linear",
    "time_text_embed.guidance_embedder.linear_2",
    "joint_blocks.23.context_block.attn.qkv",
    "joint_blocks.0.x_block.mlp.fc2",
    "joint_blocks.0.x_block.adaLN_modulation.1",
    "blocks.0.self_attn.q",
    "blocks.0.cross_attn.k_img",
    "blocks.0.ffn.2",
    "layers.4.feed_forward.w1",
    "layers.4.attention.qkv",
    "noise_refiner.1.attention.out",
    "double_stream_blocks.15.block.attn1.to_out_t",
    "double_stream_blocks.0.block.ff_i.shared_experts.w1",
    "single_stream_blocks.31.block.ff_i.experts.3.w2",
    "head.head",
    "transformer_blocks.0.img_mod.1",
    "transformer_blocks.59.txt_mlp.net.0.proj",
]


@pytest.mark.parametrize("path", PATHS)
def test_models_paths_come_back(path: str) -> None:
    assert unflattened(path.replace(".", "_")) == path


@given(st.lists(st.sampled_from(["blocks", "down", "to", "q", "0", "12", "odd", "", "attn1"])))
def test_no_two_become_one(words: list[str]) -> None:
    name = "_".join(words)
    assert unflattened(name).replace(".", "_") == name
