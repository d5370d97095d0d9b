"""Tensors of image models' own code by name, with shapes: a block of each kind, small where diffusers allows it."""

from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]
WIDE = 3072  # of Flux and HunyuanVideo, which diffusers' conversion takes for granted


def resnet(path: str) -> Shapes:
    return {
        f"{path}.in_layers.2.weight": (4, 4, 3, 3),
        f"{path}.emb_layers.1.weight": (4, 8),
        f"{path}.out_layers.3.weight": (4, 4, 3, 3),
        f"{path}.skip_connection.weight": (4, 4, 1, 1),
    }


def attention(path: str) -> Shapes:
    block = f"{path}.transformer_blocks.0"
    linear = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "ff.net.2")
    return {
        f"{path}.proj_in.weight": (4, 4),
        f"{path}.proj_out.weight": (4, 4),
        f"{block}.ff.net.0.proj.weight": (32, 4),
        **{f"{block}.{name}.weight": (4, 4) for name in linear},
    }


def unet(levels: int, attended: tuple[int, ...], prefix: str = "model.diffusion_model.") -> Shapes:
    """Of Stable Diffusion; `attended` are the levels, from the first, that have attentions."""
    found: dict[str, tuple[int, ...]] = {
        "time_embed.0.weight": (8, 4), "time_embed.2.weight": (8, 8), "out.2.weight": (4, 4, 3, 3),
        "input_blocks.0.0.weight": (4, 4, 3, 3),
    }  # fmt: skip
    if levels == 3:
        found |= {"label_emb.0.0.weight": (8, 6), "label_emb.0.2.weight": (8, 8)}
    for level in range(levels):
        for layer in range(2):
            path = f"input_blocks.{1 + 3 * level + layer}"
            found |= resnet(f"{path}.0")
            found |= attention(f"{path}.1") if level in attended else {}
        if level < levels - 1:
            found[f"input_blocks.{3 + 3 * level}.0.op.weight"] = (4, 4, 3, 3)
        for layer in range(3):
            path, up = f"output_blocks.{3 * level + layer}", levels - 1 - level
            found |= resnet(f"{path}.0")
            found |= attention(f"{path}.1") if up in attended else {}
            if layer == 2 and up > 0:
                found[f"{path}.{2 if up in attended else 1}.conv.weight"] = (4, 4, 3, 3)
    found |= resnet("middle_block.0") | attention("middle_block.1") | resnet("middle_block.2")
    return {prefix + name: shape for name, shape in found.items()}


def flux() -> Shapes:
    found: dict[str, tuple[int, ...]] = {
        f"{name}.{layer}.weight": (4, 4)
        for name in ("time_in", "vector_in", "guidance_in") for layer in ("in_layer", "out_layer")
    }  # fmt: skip
    found |= {f"{name}.weight": (4, 4) for name in ("txt_in", "img_in", "final_layer.linear")}
    found["final_layer.adaLN_modulation.1.weight"] = (8, 4)
    for block in range(2):
        for side in ("img", "txt"):
            path = f"double_blocks.{block}.{side}"
            found |= {
                f"{path}_attn.qkv.weight": (12, 4), f"{path}_attn.proj.weight": (4, 4),
                f"{path}_mod.lin.weight": (24, 4), f"{path}_mlp.0.weight": (16, 4),
                f"{path}_mlp.2.weight": (4, 16), f"{path}_attn.norm.query_norm.scale": (2,),
                f"{path}_attn.norm.key_norm.scale": (2,),
            }  # fmt: skip
        path = f"single_blocks.{block}"
        found |= {
            f"{path}.linear1.weight": (7 * WIDE, WIDE), f"{path}.linear2.weight": (WIDE, 5 * WIDE),
            f"{path}.modulation.lin.weight": (12, 4), f"{path}.norm.query_norm.scale": (2,),
            f"{path}.norm.key_norm.scale": (2,),
        }  # fmt: skip
    return found


def flux_2() -> Shapes:
    found: dict[str, tuple[int, ...]] = {
        f"{name}.weight": (4, 4)
        for name in ("img_in", "txt_in", "time_in.in_layer", "time_in.out_layer", "guidance_in.in_layer",
                     "guidance_in.out_layer", "double_stream_modulation_img.lin",
                     "double_stream_modulation_txt.lin", "single_stream_modulation.lin", "final_layer.linear")
    }  # fmt: skip
    found["final_layer.adaLN_modulation.1.weight"] = (8, 4)
    for side in ("img", "txt"):
        path = f"double_blocks.0.{side}"
        found |= {
            f"{path}_attn.qkv.weight": (12, 4), f"{path}_attn.proj.weight": (4, 4),
            f"{path}_mlp.0.weight": (24, 4), f"{path}_mlp.2.weight": (4, 12),
        }  # fmt: skip
    return found | {
        "single_blocks.0.linear1.weight": (36, 4),
        "single_blocks.0.linear2.weight": (4, 16),
    }


def hunyuan() -> Shapes:
    found: dict[str, tuple[int, ...]] = {
        f"{name}.mlp.{layer}.weight": (4, 4)
        for name in ("time_in", "guidance_in", "txt_in.t_embedder") for layer in (0, 2)
    }  # fmt: skip
    found |= {
        f"{name}.weight": (4, 4)
        for name in ("vector_in.in_layer", "vector_in.out_layer", "final_layer.linear", "txt_in.input_embedder",
                     "txt_in.c_embedder.linear_1", "txt_in.c_embedder.linear_2")
    }  # fmt: skip
    found |= {
        "img_in.proj.weight": (4, 4, 1, 2, 2),
        "final_layer.adaLN_modulation.1.weight": (8, 4),
    }
    for side in ("img", "txt"):
        path = f"double_blocks.0.{side}"
        found |= {
            f"{path}_attn_qkv.weight": (12, 4), f"{path}_attn_proj.weight": (4, 4),
            f"{path}_mod.linear.weight": (24, 4), f"{path}_mlp.fc1.weight": (16, 4),
            f"{path}_mlp.fc2.weight": (4, 16),
        }  # fmt: skip
    refiner = "txt_in.individual_token_refiner.blocks.0"
    return found | {
        "single_blocks.0.linear1.weight": (7 * WIDE, WIDE), "single_blocks.0.linear2.weight": (WIDE, 5 * WIDE),
        "single_blocks.0.modulation.linear.weight": (12, 4),
        f"{refiner}.self_attn_qkv.weight": (12, 4), f"{refiner}.self_attn_proj.weight": (4, 4),
        f"{refiner}.mlp.fc1.weight": (16, 4), f"{refiner}.mlp.fc2.weight": (4, 16),
        f"{refiner}.adaLN_modulation.1.weight": (8, 4),
    }  # fmt: skip


def sd3() -> Shapes:
    found: dict[str, tuple[int, ...]] = {
        f"{name}.mlp.{layer}.weight": (4, 4) for name in ("t_embedder", "y_embedder") for layer in (0, 2)
    }  # fmt: skip
    found |= {
        "pos_embed": (1, 4, 4), "x_embedder.proj.weight": (4, 4, 2, 2), "context_embedder.weight": (4, 4),
        "final_layer.linear.weight": (4, 4), "final_layer.adaLN_modulation.1.weight": (8, 4),
    }  # fmt: skip
    for block in range(3):
        for side in ("x", "context"):
            path = f"joint_blocks.{block}.{side}_block"
            last = block == 2 and side == "context"
            found |= {
                f"{path}.attn.qkv.weight": (12, 4),
                f"{path}.adaLN_modulation.1.weight": (8 if last else 24, 4),
            }
            if not last:
                found |= {
                    f"{path}.attn.proj.weight": (4, 4), f"{path}.mlp.fc1.weight": (16, 4),
                    f"{path}.mlp.fc2.weight": (4, 16),
                }  # fmt: skip
    path = "joint_blocks.0.x_block.attn2"
    return found | {f"{path}.qkv.weight": (12, 4), f"{path}.proj.weight": (4, 4)}


def wan() -> Shapes:
    names = [
        "time_embedding.0", "time_embedding.2", "text_embedding.0", "text_embedding.2", "time_projection.1",
        "img_emb.proj.1", "img_emb.proj.3", "head.head", "blocks.0.ffn.0", "blocks.0.ffn.2",
        *(f"blocks.0.{kind}_attn.{letter}" for kind in ("self", "cross") for letter in "qkvo"),
        "blocks.0.cross_attn.k_img", "blocks.0.cross_attn.v_img",
    ]  # fmt: skip
    return {"patch_embedding.weight": (4, 4, 1, 2, 2)} | {
        f"{name}.weight": (4, 4) for name in names
    }


def ltx() -> Shapes:
    names = [
        "patchify_proj", "adaln_single.emb.timestep_embedder.linear_1", "adaln_single.linear",
        "transformer_blocks.0.attn1.to_q", "caption_projection.linear_1", "proj_out",
    ]  # fmt: skip
    return {f"{name}.weight": (4, 4) for name in names}


def open_clip() -> Shapes:
    path = "conditioner.embedders.1.model.transformer.resblocks.1"
    return {
        f"{path}.attn.in_proj_weight": (12, 4), f"{path}.attn.out_proj.weight": (4, 4),
        f"{path}.mlp.c_fc.weight": (16, 4), f"{path}.mlp.c_proj.weight": (4, 16),
    }  # fmt: skip


def z_image() -> Shapes:
    path = "layers.0.attention"
    return {
        f"{path}.qkv.weight": (12, 4), f"{path}.out.weight": (4, 4), "context_refiner.0.attention.qkv.weight": (12, 4),
        "layers.0.feed_forward.w1.weight": (8, 4),
    }  # fmt: skip
