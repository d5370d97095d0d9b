"""Image models' modules by diffusers' names and by their own code's: W0 has the rows that diffusers takes."""

import json
from collections.abc import Mapping
from pathlib import Path

import image_traced
import pytest
import torch
from checkpoints import random
from image_originals import Shapes, unet
from image_traced import MODELS
from safetensors.torch import save_file

from lora_lens import load_adapter, open_base
from lora_lens.bases.image_located import T5, located
from lora_lens.bases.image_names import ImageNames, place
from lora_lens.bases.pieces import Piece
from lora_lens.errors import BaseModelError, LensError

KEPT = image_traced.kept()
TEXT = {"text_encoder_2": "text_encoder_2"}


def rows_of(pieces: tuple[Piece, ...], shapes: Shapes) -> list[tuple[str, int]]:
    """Every row of W0: the tensor and its row there."""
    return [
        (one.name, row)
        for one in pieces
        for row in range(one.start, shapes[one.name][0] if one.stop is None else one.stop)
    ]


def converted(model: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Shapes of diffusers' tensors."""
    return {
        name: (sum(last - first for _, first, last in pieces), *shapes[pieces[0][0]][1:])
        for name, pieces in KEPT[model].items()
    }


def originals(model: str) -> Shapes:
    made, _ = MODELS[model]
    return made()


@pytest.mark.parametrize("model", MODELS)
def test_diffusers_modules_in_the_original(model: str) -> None:
    shapes = originals(model)
    names = ImageNames(shapes, shapes.__getitem__)
    (part,) = names.parts
    for name, pieces in KEPT[model].items():
        (found,) = names.find(f"{TEXT.get(part, 'unet')}.{name.removesuffix('.weight')}")
        expected = [(of, row) for of, first, last in pieces for row in range(first, last)]
        assert rows_of(found, shapes) == expected, name


@pytest.mark.parametrize("model", MODELS)
def test_the_originals_modules_in_diffusers(model: str) -> None:
    shapes = originals(model)
    theirs = converted(model, shapes)
    names = ImageNames(theirs, theirs.__getitem__)
    wanted: dict[tuple[str, int], tuple[str, int]] = {}
    for name, pieces in KEPT[model].items():
        rows = [(of, row) for of, first, last in pieces for row in range(first, last)]
        wanted |= {row: (name, number) for number, row in enumerate(rows)}
    assert len({of for of, _ in wanted}) > 3
    for name in {of for of, _ in wanted}:
        path = name.removesuffix(".weight").removesuffix("_weight")
        (found,) = names.find(path)
        assert rows_of(found, theirs) == [wanted[name, row] for row in range(shapes[name][0])], name


@pytest.mark.parametrize("model", MODELS)
def test_each_finds_its_own(model: str) -> None:
    shapes = originals(model)
    for held in (shapes, converted(model, shapes)):
        names = ImageNames(held, held.__getitem__)
        for name, shape in held.items():
            if name.endswith(".weight"):
                (found,) = names.find(name.removesuffix(".weight"))
                assert rows_of(found, held) == [(name, row) for row in range(shape[0])]


@pytest.mark.parametrize("model", MODELS)
def test_atoms_are_named_once(model: str) -> None:
    shapes = originals(model)
    for name in (*shapes, *converted(model, shapes)):
        where = located(name.removesuffix(".weight").replace(".in_proj_weight", ".in_proj"))
        for atom in place(where.rest).atoms:
            assert place(atom).atoms == (atom,)


@pytest.mark.parametrize("model", MODELS)
def test_diffusers_answers_are_still_these(model: str) -> None:
    pytest.importorskip("diffusers")
    assert image_traced.trace(model) == KEPT[model]


def test_all_of_a_unet_is_found() -> None:
    """The names that diffusers' conversion gives are those of diffusers' own model."""
    diffusers = pytest.importorskip("diffusers")
    model = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 32, 32), norm_num_groups=8, cross_attention_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    own = {name for name, tensor in model.state_dict().items() if tensor.ndim > 1}
    shapes = originals("sdxl")
    names = ImageNames(shapes, shapes.__getitem__)
    few = ("to_v", "to_k", "to_q", "to_out.0")  # of which the fixture has not all
    for name in own:
        if not any(f"attn2.{one}" in name for one in few):
            assert len(names.find(f"unet.{name.removesuffix('.weight')}")) == 1, name


def saved(path: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def lora(path: Path, modules: Mapping[str, tuple[int, ...]]) -> Path:
    """kohya's or ComfyUI's file of modules by W0's shape."""
    tensors = {}
    for name, (rows, *columns) in modules.items():
        tensors[f"{name}.lora_down.weight"] = random(2, *columns, seed=1)
        tensors[f"{name}.lora_up.weight"] = random(rows, 2, *[1] * (len(columns) - 1), seed=2)
    return saved(path, tensors)


def test_a_kohya_file_of_the_originals_names_on_either_base(tmp_path: Path) -> None:
    """SDXL's U-Net in a single file and in a pipeline's folder: the same W0, and both text encoders."""
    shapes = unet(3, (1, 2))
    tensors = {name: random(*shape, seed=k) for k, (name, shape) in enumerate(shapes.items())}
    first = "conditioner.embedders.0.transformer.text_model.encoder.layers.1.self_attn"
    second = "conditioner.embedders.1.model.transformer.resblocks.1.attn.in_proj_weight"
    tensors |= {f"{first}.v_proj.weight": random(4, 4, seed=98), second: random(12, 4, seed=99)}
    single = saved(tmp_path / "sdxl.safetensors", tensors)
    folder = tmp_path / "pipeline"
    for part in ("unet", "text_encoder", "text_encoder_2"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "X"}))
    theirs = {
        name: torch.cat([tensors[of][first:last] for of, first, last in pieces])
        for name, pieces in KEPT["sdxl"].items()
    }
    saved(folder / "unet" / "diffusion_pytorch_model.safetensors", theirs)
    v_proj = "text_model.encoder.layers.1.self_attn.v_proj"
    saved(
        folder / "text_encoder" / "model.safetensors",
        {f"{v_proj}.weight": tensors[f"{first}.v_proj.weight"]},
    )
    saved(
        folder / "text_encoder_2" / "model.safetensors", {f"{v_proj}.weight": tensors[second][8:]}
    )
    to_q = "input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    modules = {
        f"lora_unet_{to_q}": (4, 4), "lora_unet_output_blocks_2_2_conv": (4, 4, 3, 3),
        f"lora_te1_{v_proj.replace('.', '_')}": (4, 4), f"lora_te2_{v_proj.replace('.', '_')}": (4, 4),
    }  # fmt: skip
    adapter = load_adapter(lora(tmp_path / "lora.safetensors", modules))
    before = "model.diffusion_model."
    expected = {
        "unet.input_blocks.4.1.transformer_blocks.0.attn1.to_q": tensors[
            f"{before}input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight"
        ],
        "unet.output_blocks.2.2.conv": tensors[f"{before}output_blocks.2.2.conv.weight"].reshape(4, 36),
        f"text_encoder.{v_proj}": tensors[f"{first}.v_proj.weight"],
        f"text_encoder_2.{v_proj}": tensors[second][8:],
    }  # fmt: skip
    for base in (open_base(str(single)), open_base(str(folder))):
        found = {
            path: base.w0(factors, k)
            for factors in adapter.modules.values()
            for k, path in enumerate(factors.names)
        }
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[path], w0) for path, w0 in expected.items())


def test_a_fused_projection_of_comfyui_on_a_pipeline(tmp_path: Path) -> None:
    (tmp_path / "transformer").mkdir()
    (tmp_path / "model_index.json").write_text("{}")
    parts = {
        f"transformer_blocks.0.attn.to_{letter}.weight": random(4, 4, seed=k)
        for k, letter in enumerate("qkv")
    }
    saved(tmp_path / "transformer" / "diffusion_pytorch_model.safetensors", parts)
    path = "diffusion_model.double_blocks.0.img_attn.qkv"
    adapter = load_adapter(lora(tmp_path / "lora.safetensors", {path: (12, 4)}))
    (factors,) = adapter.modules.values()
    assert torch.equal(open_base(str(tmp_path)).w0(factors, 0), torch.cat(list(parts.values())))
    parts["transformer_blocks.0.attn.to_v.weight"] = random(4, 3, seed=2)
    saved(tmp_path / "transformer" / "diffusion_pytorch_model.safetensors", parts)
    with pytest.raises(BaseModelError, match=r"to_k.weight with 4, .*to_v.weight with 3 columns"):
        open_base(str(tmp_path)).w0(factors, 0)


def test_parts_are_not_mixed(tmp_path: Path) -> None:
    """A part that a base has not is never sought in another of its parts."""
    q_proj = "encoder.layers.0.self_attn.q_proj.weight"
    base = open_base(
        str(
            saved(
                tmp_path / "sd.safetensors",
                {
                    f"cond_stage_model.transformer.text_model.{q_proj}": random(4, 4, seed=1),
                    "model.diffusion_model.input_blocks.1.1.proj_in.weight": random(4, 4, seed=2),
                },
            )
        )
    )
    assert base.weight(f"text_encoder.text_model.{q_proj.removesuffix('.weight')}").shape == (4, 4)
    with pytest.raises(
        BaseModelError, match=r"no weight of text_encoder_2.*denoiser, text_encoder"
    ):
        base.weight("text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj")


def test_one_of_two_that_denoise_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    for k, part in enumerate(("transformer", "transformer_2")):
        (tmp_path / part).mkdir()
        tensors = {"blocks.0.attn1.to_q.weight": random(4, 4, seed=k)}
        saved(tmp_path / part / "diffusion_pytorch_model.safetensors", tensors)
    base = open_base(str(tmp_path))
    with pytest.raises(BaseModelError, match=r"could be any of transformer\.blocks"):
        base.weight("diffusion_model.blocks.0.self_attn.q")
    assert torch.equal(base.weight("transformer_2.blocks.0.attn1.to_q"), random(4, 4, seed=1))


def test_words_that_no_list_knows_are_found_by_their_letters() -> None:
    shapes = {"odd_new.thing_of.3.to_q.weight": (4, 4)}
    names = ImageNames(shapes, shapes.__getitem__)
    assert names.find("unet.odd_new_thing_of.3.to_q") == [(Piece(next(iter(shapes))),)]
    assert names.find("unet.odd_new_thing_of.4.to_q") == []


def test_a_kohya_file_on_a_file_whose_names_no_list_knows(tmp_path: Path) -> None:
    """Krea 2's names, as musubi-tuner writes them: a module without a layer, and words that stay together."""
    paths = ("first", "txtfusion.layerwise_blocks.0.attn.wq", "blocks.0.attn.wq")
    tensors = {f"{path}.weight": random(4, 6, seed=k) for k, path in enumerate(paths)}
    modules = {f"lora_unet_{path.replace('.', '_')}": (4, 6) for path in paths}
    adapter = load_adapter(lora(tmp_path / "lora.safetensors", modules))
    base = open_base(str(saved(tmp_path / "krea.safetensors", tensors)))
    found = {
        path.replace(".", "_"): base.w0(factors, k)
        for factors in adapter.modules.values()
        for k, path in enumerate(factors.names)
    }
    assert found.keys() == {f"unet_{path.replace('.', '_')}" for path in paths}
    for path in paths:
        assert torch.equal(found[f"unet_{path.replace('.', '_')}"], tensors[f"{path}.weight"])


def test_a_fused_one_that_cannot_be_cut_is_not_cut() -> None:
    shapes = {"layers.0.attention.qkv.weight": (10, 4), "single_blocks.0.linear1.weight": (12, 4)}
    names = ImageNames(shapes, shapes.__getitem__)
    assert names.find("transformer.layers.0.attention.to_q") == []
    assert names.find("transformer.single_transformer_blocks.0.proj_mlp") == []


def test_a_t5_is_the_same_whichever_encoder_it_is() -> None:
    path = "encoder.block.0.layer.0.SelfAttention.q"
    shapes = {f"text_encoder_2.{path}.weight": (4, 4)}
    names = ImageNames(shapes, shapes.__getitem__)
    assert names.find(f"text_encoder_3.{path}") == [(Piece(next(iter(shapes))),)]
    assert located(f"text_encoder.{path}").part == located(path).part == T5


def test_files_of_other_endings_and_broken_ones_say_what_is_read(tmp_path: Path) -> None:
    for ending, said in ((".zip", "a file of .zip, expected one of"), (".ckpt", "PyTorch file")):
        (tmp_path / f"a{ending}").write_bytes(b"PK")
        with pytest.raises(LensError, match=said):
            open_base(str(tmp_path / f"a{ending}"))


def test_a_checkpoint_of_lightning_is_read(tmp_path: Path) -> None:
    name = "model.diffusion_model.out.2.weight"
    tensors = {name: random(4, 4, 3, 3, seed=1)}
    torch.save({"state_dict": tensors, "global_step": 3}, tmp_path / "sd.ckpt")
    found = open_base(str(tmp_path / "sd.ckpt")).weight("unet.conv_out")
    assert torch.equal(found, tensors[name].reshape(4, 36))


@pytest.mark.parametrize("of", ["original", "diffusers"])
def test_xlabs_rows_of_a_single_block(of: str) -> None:
    if of == "original":
        shapes: Shapes = {"single_blocks.0.linear1.weight": (28, 4)}
        expected = [("single_blocks.0.linear1.weight", row) for row in range(12)]
    else:
        names = [f"single_transformer_blocks.0.attn.to_{letter}.weight" for letter in "qkv"]
        shapes = dict.fromkeys(names, (4, 4))
        expected = [(name, row) for name in names for row in range(4)]
    found = ImageNames(shapes, shapes.__getitem__).find("transformer.single_blocks.0.linear1.qkv")
    assert [rows_of(one, shapes) for one in found] == [expected]
