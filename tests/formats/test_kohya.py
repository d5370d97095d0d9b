"""Single files of image models' trainers: which modules they make, what is refused, what is said."""

import json
import math
from pathlib import Path

import pytest
import torch
from checkpoints import random
from made_formats import deltas
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from lora_lens import compare, inspect, load_adapter, spectrum
from lora_lens.cli import app
from lora_lens.errors import AdapterError

UNET = "lora_unet_{}_transformer_blocks_{}_attn1_to_q"


def lora(
    name: str, *, width: int = 6, rank: int = 2, alpha: float | None = 1.0
) -> dict[str, Tensor]:
    found = {
        f"{name}.lora_down.weight": random(rank, width, seed=len(name)),
        f"{name}.lora_up.weight": random(width, rank, seed=len(name) + 1),
    }
    return found | ({} if alpha is None else {f"{name}.alpha": torch.tensor(alpha)})


def saved(file: Path, tensors: dict[str, Tensor], header: dict[str, str] | None = None) -> Path:
    save_file(tensors, file, header)
    return file


def blocks(places: dict[str, tuple[int, int]]) -> dict[str, Tensor]:
    """Place → width and depth."""
    found: dict[str, Tensor] = {}
    for place, (width, depth) in places.items():
        for k in range(depth):
            found |= lora(UNET.format(place, k), width=width)
    return found


def layers_of(file: Path) -> dict[str, tuple[int, ...]]:
    return {name: one.layers for name, one in load_adapter(file).modules.items()}


def test_a_deep_u_nets_transformer_blocks_are_layers_of_one_module(tmp_path: Path) -> None:
    sdxl = {
        "down_blocks_1_attentions_0": (4, 2), "down_blocks_1_attentions_1": (4, 2),
        "down_blocks_2_attentions_0": (6, 4), "mid_block_attentions_0": (6, 4),
        "up_blocks_0_attentions_2": (6, 4),
    }  # fmt: skip
    assert layers_of(saved(tmp_path / "a.safetensors", blocks(sdxl))) == {
        "to_q@down_blocks-1-attentions-0": (0, 1),
        "to_q@down_blocks-1-attentions-1": (0, 1),
        "to_q@down_blocks-2-attentions-0": (0, 1, 2, 3),
        "to_q@mid_block-attentions-0": (0, 1, 2, 3),
        "to_q@up_blocks-0-attentions-2": (0, 1, 2, 3),
    }


def test_the_original_names_group_by_what_makes_fewest_modules(tmp_path: Path) -> None:
    deep = {"input_blocks_4_1": (4, 2), "input_blocks_7_1": (6, 3), "middle_block_1": (6, 3)}
    assert layers_of(saved(tmp_path / "xl.safetensors", blocks(deep))) == {
        "to_q@input_blocks-4-1": (0, 1),
        "to_q@input_blocks-7-1": (0, 1, 2),
        "to_q@middle_block-1": (0, 1, 2),
    }
    flat = {f"input_blocks_{k}_1": (4 if k < 3 else 6, 1) for k in (1, 2, 4, 5)}
    found = layers_of(saved(tmp_path / "sd.safetensors", blocks(flat)))
    assert found == {"to_q@4x4": (1, 2), "to_q@6x6": (4, 5)}


def test_flux_is_in_layers(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {}
    for k in (0, 1, 10):
        tensors |= lora(f"lora_unet_double_blocks_{k}_img_attn_qkv")
        tensors |= lora(f"lora_unet_single_blocks_{k}_linear1")
    found = layers_of(saved(tmp_path / "flux.safetensors", tensors))
    assert found == {"qkv": (0, 1, 10), "linear1": (0, 1, 10)}


def test_questions_need_no_base(tmp_path: Path) -> None:
    tensors = blocks({"down_blocks_0_attentions_0": (6, 1), "down_blocks_0_attentions_1": (6, 1)})
    file = saved(tmp_path / "a.safetensors", tensors)
    adapter = load_adapter(tmp_path)  # the one file of a folder
    assert adapter.source == str(file)
    assert [one.rank for one in spectrum(adapter, base=None, draws=0).layers] == [2, 2]
    (found,) = {*compare(adapter, load_adapter(file), module="to_q", draws=0)["delta"].values}
    assert found == pytest.approx(1)


def test_the_scale_is_said_and_why(tmp_path: Path) -> None:
    tensors = lora("lora_unet_conv_in", alpha=4.0) | lora("lora_unet_conv_out", alpha=None)
    header = {"ss_network_dim": "2", "ss_network_alpha": "1.0"}
    adapter = load_adapter(saved(tmp_path / "a.safetensors", tensors, header))
    found = inspect(adapter)
    assert {one.name: one.scaling for one in found.modules} == {
        "unet.conv_in": 2,
        "unet.conv_out": 1,
    }
    assert found.notes[1:3] == (
        "s = α/rank, α of each module's own tensor .alpha: 1 module",
        "s = 1 where there is no .alpha, as loaders take it: 1 module",
    )
    assert adapter.caveats == (
        "the file's header says α 1 at rank 2, which loaders pass over, and so is s 1 here (1 module); where it was "
        "trained with s = α/rank, ΔW is 0.5 times what is shown, unless a converter has multiplied the factors by it and kept the "
        "words, as sd-scripts' and musubi-tuner's do",
    )
    assert found.to_dict()["notes"] == list(found.notes)


NAME = "lora_unet_mid_block_attentions_0_proj_in"
HADA = {f"{NAME}.hada_w{k}_{letter}": (4, 4) for k in (1, 2) for letter in "ab"}
ODD: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "norms of other rows": ({f"{NAME}.dora_scale": (5, 1)}, r"has shape \(5, 1\), expected DoRA's norms of the"),
    "norms in a row": ({f"{NAME}.dora_scale": (1, 1, 6)}, "expected DoRA's norms of the"),
    "PEFT's norms of columns": (
        {f"{NAME}.lora_magnitude_vector.weight": (1, 3)}, r"has shape \(1, 3\), expected DoRA's norms of the 6 rows",
    ),
    "norms alone": ({"lora_unet_x.dora_scale": (6, 1)}, "unet.x has no factors beside it"),
    "no partner": ({"lora_unet_x.lora_up.weight": (6, 2)}, "no partner, the factor down of unet.x"),
    "wide up": ({f"{NAME}.lora_up.weight": (6, 2, 3, 3)}, "a convolution of one pixel"),
    "no rank": ({f"{NAME}.lora_up.weight": (6, 3)}, "expected A's rows to equal B's columns"),
    "core": ({f"{NAME}.lora_mid.weight": (3, 2, 3, 3)}, r"mid.weight has shape \(3, 2, 3, 3\), expected"),
    "alpha": ({f"{NAME}.alpha": (2,)}, "expected one number"),
    "two kinds": (HADA, "has parts of LoRA and LoHa"),
    "two encoders": (
        {f"lora_te{k}_q_proj.{part}.weight": (4, 4) for k in ("", "1") for part in ("lora_up", "lora_down")},
        "are the same part of text_encoder.q_proj",
    ),
    "half of a LoHa": ({"lora_unet_x.hada_w1_a": (4, 2)}, "unet.x has no hada_w1_b"),
    "half of a LoKr": ({"lora_unet_x.lokr_w1": (4, 2)}, "unet.x has no lokr_w2_a"),
    "LoKr twice": (
        {f"lora_unet_x.lokr_{part}": (2, 2) for part in ("w1", "w1_a", "w1_b", "w2")}, "is whole, and",
    ),
    "uneven LoHa": (
        {f"lora_unet_x.hada_{part}": (2, 2) for part in ("w1_a", "w1_b", "w2_a")}
        | {"lora_unet_x.hada_w2_b": (2, 3)},
        "expected a matrix of 2x2, as w1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_would_be_misread_is_refused(tmp_path: Path, case: str) -> None:
    shapes, said = ODD[case]
    tensors = lora(NAME) | {name: random(*shape, seed=3) for name, shape in shapes.items()}
    with pytest.raises(AdapterError, match=said):
        load_adapter(saved(tmp_path / "a.safetensors", tensors))


@pytest.mark.parametrize("alpha", [0.0, float("nan")])
def test_an_alpha_that_loaders_take_differently_is_refused(tmp_path: Path, alpha: float) -> None:
    with pytest.raises(AdapterError, match="the α of unet.mid_block.attentions.0.proj_in is"):
        load_adapter(saved(tmp_path / "a.safetensors", lora(NAME, alpha=alpha)))


def test_a_rank_above_the_sides_is_that_of_the_matrix(tmp_path: Path) -> None:
    w = {f"{NAME}.{name}": random(*shape, seed=k) for k, (name, shape) in enumerate({
        "hada_w1_a": (5, 3), "hada_w1_b": (3, 4), "hada_w2_a": (5, 3), "hada_w2_b": (3, 4),
    }.items())}  # fmt: skip
    (found,) = inspect(load_adapter(saved(tmp_path / "a.safetensors", w))).modules
    one, two, three, four = (tensor.double() for tensor in w.values())
    expected = torch.linalg.svdvals((one @ two) * (three @ four))
    assert found.rank == 4
    torch.testing.assert_close(torch.tensor(found.singular_values, dtype=torch.float64), expected)


def test_a_convolutions_loha_may_have_a_pixels_axes_at_both_factors(tmp_path: Path) -> None:
    """OneTrainer's: (out, r, 1, 1) and (r, in, height, width)."""
    shapes = {
        "w1_a": (5, 3, 1, 1),
        "w1_b": (3, 4, 3, 3),
        "w2_a": (5, 3, 1, 1),
        "w2_b": (3, 4, 3, 3),
    }
    tensors = {
        f"{NAME}.hada_{part}": random(5 * 3, 4 * 9, seed=k)
        .flatten()[: math.prod(shape)]
        .reshape(shape)
        for k, (part, shape) in enumerate(shapes.items())
    }
    adapter = load_adapter(saved(tmp_path / "a.safetensors", tensors))
    one, two, three, four = (tensor.double().flatten(1) for tensor in tensors.values())
    (found,) = deltas(adapter).values()
    torch.testing.assert_close(found, (one @ two) * (three @ four))
    wide = tensors | {f"{NAME}.hada_w1_a": random(5, 9, seed=9).repeat(1, 3).reshape(5, 3, 3, 3)}
    with pytest.raises(AdapterError, match="hada_w1_b has shape"):
        load_adapter(saved(tmp_path / "b.safetensors", wide))


def test_only_what_has_no_factors_is_an_error_that_says_what_it_is(tmp_path: Path) -> None:
    tensors = {"lora_unet_x.oft_blocks": random(2, 2, 2, seed=1)} | lora("lora_te_token_embedding")
    with pytest.raises(AdapterError, match="factor of an embedding"):
        load_adapter(saved(tmp_path / "a.safetensors", tensors))


def test_strict_is_exit_3_where_anything_is_left_out(tmp_path: Path) -> None:
    run = CliRunner()
    whole = saved(tmp_path / "whole.safetensors", lora(NAME))
    assert run.invoke(app, ["inspect", str(whole), "--strict"]).exit_code == 0
    more = lora(NAME) | {f"{NAME}.diff_b": random(6, seed=1)}
    part = saved(tmp_path / "part.safetensors", more)
    done = run.invoke(app, ["inspect", str(part), "--strict"])
    assert done.exit_code == 3
    assert "1 of 4 tensors is left out" in done.stdout
    assert "change of a bias" in done.stdout
    assert "lora-lens: 1 tensor left out, and --strict allows none" in done.stderr
    assert run.invoke(app, ["inspect", str(part)]).exit_code == 0


def test_a_folder_of_several_files_or_of_a_model_is_not_guessed_at(tmp_path: Path) -> None:
    for name in ("one", "two"):
        saved(tmp_path / f"{name}.safetensors", lora(NAME))
    with pytest.raises(
        AdapterError, match="holds 2 files of tensors, one.safetensors, two.safetensors: name one"
    ):
        load_adapter(tmp_path)
    (tmp_path / "model").mkdir()
    saved(tmp_path / "model" / "diffusion_pytorch_model.fp16.safetensors", lora(NAME))
    with pytest.raises(AdapterError, match="is no adapter"):
        load_adapter(tmp_path / "model")


SCALED = ("scale_weight", "weight_scale", "weight_scale_inv", "weight.absmax")


@pytest.mark.parametrize("scale", SCALED)
def test_factors_of_fewer_bits_with_a_scale_beside_are_refused(tmp_path: Path, scale: str) -> None:
    tensors = {name: one.to(torch.float8_e4m3fn) for name, one in lora(NAME, alpha=None).items()}
    assert load_adapter(saved(tmp_path / "alone.safetensors", tensors)).modules
    more = tensors | {f"{NAME}.lora_down.{scale}": torch.tensor(3.0)}
    with pytest.raises(
        AdapterError, match=rf"multiplied by, {NAME}.lora_down.{scale}: a factor in"
    ):
        load_adapter(saved(tmp_path / "scaled.safetensors", more))


def test_what_is_left_out_is_told_by_what_it_is(tmp_path: Path) -> None:
    fused = "lora_unet_double_blocks_0_img_attn_qkv"
    other = "unet.mid_block.attentions.0.proj_out.lora_A.style.weight"
    tensors = lora(NAME) | {
        f"{fused}.lora_down.0.weight": random(2, 6, seed=1), f"{fused}.lora_up.0.weight": random(6, 2, seed=2),
        other: random(2, 6, seed=3),
    }  # fmt: skip
    found = load_adapter(saved(tmp_path / "a.safetensors", tensors)).left_out
    assert "split_dims" in found[f"{fused}.lora_down.0.weight"]
    assert "another adapter" in found[other]


def test_diffusers_settings_are_of_what_they_name_in_a_file_of_both_spellings(
    tmp_path: Path,
) -> None:
    text = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    tensors = lora(NAME, alpha=4.0) | {
        f"{text}.lora_A.weight": random(2, 6, seed=1), f"{text}.lora_B.weight": random(6, 2, seed=2),
    }  # fmt: skip
    header = {
        "lora_adapter_metadata": json.dumps({"text_encoder.r": 2, "text_encoder.lora_alpha": 10})
    }
    found = inspect(load_adapter(saved(tmp_path / "a.safetensors", tensors, header)))
    assert {one.name: one.scaling for one in found.modules} == {
        "unet.mid_block.attentions.0.proj_in": 2, text: 5,
    }  # fmt: skip


@pytest.mark.parametrize("name", [f"{NAME}.lora_alpha", f"{NAME}.network_alpha", f"{NAME}.scale", "lora_alpha"])  # fmt: skip
def test_a_number_that_may_scale_is_not_left_out(tmp_path: Path, name: str) -> None:
    tensors = lora(NAME, alpha=None) | {name: torch.tensor(3.0)}
    with pytest.raises(AdapterError, match=rf"holds {name}, a single number .* call it PATH.alpha"):
        load_adapter(saved(tmp_path / "a.safetensors", tensors))


def test_factors_that_are_turned_over_are_refused(tmp_path: Path) -> None:
    turned = {f"{NAME}.lora_down.weight": random(8, 2, seed=1), f"{NAME}.lora_up.weight": random(2, 8, seed=2)}  # fmt: skip
    with pytest.raises(AdapterError, match="A of 8x2 and B of 2x8.* turned over, as MLX"):
        load_adapter(saved(tmp_path / "a.safetensors", turned))
    # A rank above both sides of one layer is no reason: kohya has one rank for all.
    assert load_adapter(
        saved(tmp_path / "b.safetensors", turned | lora("lora_unet_conv_in"))
    ).modules


SAID = "says α 16 at rank 2, which loaders pass over, and so is s 1 here (1 module); where it was trained with s = α/rank, ΔW is 8"
CONFIG = json.dumps({"r": 2, "lora_alpha": 16})


@pytest.mark.parametrize(
    ("header", "beside", "where"),
    [
        ({"lora_alpha": "16", "rank": "2"}, None, "the file's header"),
        ({"lora_config": CONFIG}, None, "lora_config in the file's header"),  # finetrainers
        ({}, json.dumps({"lora_params": {"lora_rank": 2, "lora_alpha": 16}}), "lora_config.json"),  # FastVideo
        ({}, CONFIG, "lora_config.json"),
        ({"lora_alpha": "16"}, None, "the file's header"),  # of the modules' own rank
        ({"lora_alpha": "2", "rank": "2"}, "[", None),
        ({"lora_alpha": "0", "rank": "2"}, None, None),
        ({"lora_alpha": "inf", "rank": "2"}, None, None),
        ({"lora_alpha": "None"}, "{}", None),
    ],
)  # fmt: skip
def test_an_alpha_where_no_loader_looks_is_said(
    tmp_path: Path, header: dict[str, str], beside: str | None, where: str | None
) -> None:
    path = "transformer.transformer_blocks.0.attn.to_q"
    tensors = {
        f"{path}.lora_A.weight": random(2, 6, seed=1),
        f"{path}.lora_B.weight": random(6, 2, seed=2),
    }
    scaled = lora("transformer.transformer_blocks.1.attn.to_q", rank=3, alpha=3.0)
    saved(tmp_path / "pytorch_lora_weights.safetensors", tensors | scaled, header)
    if beside is not None:
        (tmp_path / "lora_config.json").write_text(beside)
    caveats = load_adapter(tmp_path).caveats
    assert [one.split(" says")[0] for one in caveats] == ([where] if where else [])
    assert all(SAID in one for one in caveats)
    with_alpha = tensors | {f"{path}.alpha": torch.tensor(4.0)}
    saved(tmp_path / "pytorch_lora_weights.safetensors", with_alpha, header)
    assert not load_adapter(tmp_path).caveats


@pytest.mark.parametrize("rslora", [False, True])
def test_two_scales_that_differ_are_refused(tmp_path: Path, rslora: bool) -> None:
    path = "transformer.transformer_blocks.0.attn.to_q"
    tensors = {
        f"{path}.lora_A.weight": random(4, 6, seed=1), f"{path}.lora_B.weight": random(6, 4, seed=2),
    }  # fmt: skip
    said = {"transformer.r": 4, "transformer.lora_alpha": 2, "transformer.use_rslora": rslora}
    header = {"lora_adapter_metadata": json.dumps(said)}
    alone = load_adapter(saved(tmp_path / "alone.safetensors", tensors, header))
    s = 1.0 if rslora else 0.5
    assert [float(one.scaling[0]) for one in alone.modules.values()] == [s]
    assert alone.notes[0].startswith(
        f"s = {'α/√rank' if rslora else 'α/rank'} by lora_adapter_metadata"
    )
    same = tensors | {f"{path}.alpha": torch.tensor(4 * s)}
    assert load_adapter(saved(tmp_path / "same.safetensors", same, header)).modules
    other = tensors | {f"{path}.alpha": torch.tensor(8.0)}
    with pytest.raises(
        AdapterError, match=rf"is {s:g} by lora_adapter_metadata .* and 2 by its tensor .alpha"
    ):
        load_adapter(saved(tmp_path / "other.safetensors", other, header))


@pytest.mark.parametrize(
    "part",
    [
        "dora_scale_of_mine", "lambda_layer", "lora_ups.0.weight", "lora_magnitude.weight", "m", "diff", "set_weight",
    ],
)  # fmt: skip
def test_a_part_that_is_not_known_is_not_left_out(tmp_path: Path, part: str) -> None:
    """ComfyUI's ``load_lora`` has ``diff`` and ``set_weight`` of a layer take the place of its factors."""
    tensors = lora(NAME) | {f"{NAME}.{part}": random(6, 1, seed=3)}
    with pytest.raises(
        AdapterError,
        match=rf"holds {NAME}.{part} beside the factors of {NAME}, a part of its update",
    ):
        load_adapter(saved(tmp_path / "a.safetensors", tensors))


def test_a_factor_of_one_scales_nothing(tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.safetensors", lora(NAME))
    scaled = saved(tmp_path / "b.safetensors", lora(NAME) | {f"{NAME}.scalar": torch.tensor(1.0)})
    assert load_adapter(scaled).left_out == {f"{NAME}.scalar": "a factor of ΔW that is 1"}
    assert spectrum(scaled, base=None, draws=0).layers == spectrum(plain, base=None, draws=0).layers
    other = saved(tmp_path / "c.safetensors", lora(NAME) | {f"{NAME}.scalar": torch.tensor(0.3)})
    with pytest.raises(AdapterError, match="scalar, a single number that by its name scales ΔW"):
        load_adapter(other)


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("lycoris.kohya", {"algo": "dylora", "block_size": "2"}, "2 times"),
        ("lycoris.kohya", {"algo": "DyLoRA"}, "4 times"),
        ("lycoris.kohya", {"algo": "dylora", "block_size": "x"}, "block_size times"),
        ("lycoris.kohya", {"algo": "lora"}, None),
        ("lycoris.kohya", {"algo": "dylora", "block_size": "1"}, None),  # as loaders have it
        ("lycoris.kohya", ["dylora"], None),
        ("networks.dylora", {"unit": "2"}, None),
        ("networks.lora_flux", {"split_qkv": "True"}, None),
    ],
)
def test_lycoris_dylora_is_read_as_loaders_take_it_and_said(
    tmp_path: Path, module: str, arguments: object, said: str | None
) -> None:
    """LyCORIS 4.1.3, ``modules/dylora.py``: b + 1 blocks with α/(b + 1), which at all rank/size of them is size·α/rank.

    sd-scripts' ``networks/dylora.py`` has α/rank at the full rank.
    """
    header = {"ss_network_module": module, "ss_network_args": json.dumps(arguments)}
    file = saved(tmp_path / "a.safetensors", lora(NAME, rank=4, alpha=2.0), header)
    adapter = load_adapter(file)
    assert [float(one.scaling[0]) for one in adapter.modules.values()] == [0.5]
    notes = [one for one in adapter.caveats if "DyLoRA" in one]
    assert len(notes) == (said is not None)
    if said is not None:
        assert f"of all of them {said} the α/rank" in notes[0]
        assert notes[0] in spectrum(file, base=None, draws=0).notes


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("lycoris.kohya", {"algo": "lokr", "rs_lora": "True"}, r"s = √dim, which loaders pass over"),
        ("lycoris.kohya", {"algo": "lokr", "rs_lora": "False"}, None),
        ("lycoris.kohya", {"algo": "lora", "rs_lora": "True"}, None),  # its α says it
        ("lycoris.kohya", {"algo": "lora", "dora_wd": True, "bypass_mode": "True"}, "bypass_mode beside dora_wd"),
        ("lycoris.kohya", {"algo": "lora", "dora_wd": "True"}, None),
        ("lycoris.kohya", {"algo": "lora", "bypass_mode": "True"}, None),
        ("networks.lora", {"dora_wd": "True", "bypass_mode": "True"}, None),
    ],
)  # fmt: skip
def test_lycoris_says_of_what_it_trained_otherwise_than_loaders_take_it(
    tmp_path: Path, module: str, arguments: object, said: str | None
) -> None:
    """LyCORIS 4.1.3: a LoKr's `scale` under `rs_lora`, and `bypass_forward`, which comes to no norms."""
    header = {"ss_network_module": module, "ss_network_args": json.dumps(arguments)}
    adapter = load_adapter(saved(tmp_path / "a.safetensors", lora(NAME), header))
    found = [one for one in adapter.caveats if "the header says LyCORIS" in one]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"algo": "lokr", "linear_dim": 64, "rs_lora": True}, "s = √dim, which loaders pass over"),
        ({"algo": "lora", "dora_wd": True, "bypass_mode": True}, "bypass_mode beside dora_wd"),
        ({"algo": "dylora", "block_size": 2}, "2 times the α/rank"),
        ({"algo": "lokr", "linear_dim": 64}, None),
    ],
)
def test_simpletuner_has_lycoris_arguments_under_a_key_of_its_own(
    tmp_path: Path, arguments: object, said: str | None
) -> None:
    """Its ``save_hooks.py`` writes the settings that LyCORIS was called with as ``lycoris_config``."""
    header = {"lycoris_config": json.dumps(arguments)}
    adapter = load_adapter(saved(tmp_path / "a.safetensors", lora(NAME), header))
    found = [one for one in adapter.caveats if "the header says LyCORIS" in one]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(("flag", "s"), [(True, 4.0), (False, 2.0)])
def test_rslora_of_a_whole_file_is_followed(tmp_path: Path, flag: bool, s: float) -> None:
    """blissful-tuner's ``networks/lora.py``: one flag beside all modules, by which its own loader takes α/√r."""
    tensors = lora(NAME, rank=4, alpha=8.0) | {"use_rslora_flag": torch.tensor(flag)}
    adapter = load_adapter(saved(tmp_path / "a.safetensors", tensors))
    assert [float(one.scaling[0]) for one in adapter.modules.values()] == [s]
    assert ("s = α/√rank, α of each" in adapter.notes[0]) == flag
    assert adapter.left_out == {
        "use_rslora_flag": "a setting of the whole file, and no tensor of ΔW"
    }


def test_a_whole_lokr_of_blissful_tuner_is_said(tmp_path: Path) -> None:
    """Its ``networks/lokr.py``: α/max of w2's sides, and of factors α/rank, whatever the flag of rsLoRA says."""
    network = {"lokr_factor": torch.tensor(-1), "use_rslora_flag": torch.tensor(True)}
    half = {"lokr_w1": random(2, 3, seed=1), "alpha": torch.tensor(8.0)}
    whole, two = (
        {"lokr_w2": random(5, 4, seed=2)},
        {"lokr_w2_a": random(5, 2, seed=3), "lokr_w2_b": random(2, 4, seed=4)},
    )
    for others, s, said in ((whole, 1.0, 1), (two, 4.0, 0)):
        named = {f"{NAME}.{part}": one for part, one in (half | others).items()}
        adapter = load_adapter(saved(tmp_path / "a.safetensors", named | network))
        assert [float(one.scaling[0]) for one in adapter.modules.values()] == [s]
        assert sum("blissful-tuner" in one for one in adapter.caveats) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cdka_alpha": "4.0"}, True),
        ({"factor_in": "8"}, False),
        ({"krona_alpha": "4.0", "use_cdka_scale": "True"}, True),
        ({"krona_alpha": "4.0"}, False),  # which KronA alone does not use
        ({"cdka_alpha": None}, False),
    ],
)
def test_an_alpha_of_cdka_is_said(tmp_path: Path, arguments: dict[str, str], said: bool) -> None:
    """``networks/cdka.py`` and ``krona.py`` of sd-scripts' forks, whose files have LoKr's names."""
    header = {"ss_network_module": "networks.cdka", "ss_network_args": json.dumps(arguments)}
    tensors = {f"{NAME}.lokr_w{k}": random(2, 3, seed=k) for k in (1, 2)}
    adapter = load_adapter(saved(tmp_path / "a.safetensors", tensors, header))
    assert any("columns of lokr_w1" in one for one in adapter.caveats) == said


@pytest.mark.parametrize(("split", "said"), [("True", True), ("False", False)])
def test_projections_that_were_trained_in_parts_are_said(
    tmp_path: Path, split: str, said: bool
) -> None:
    """sd-scripts' ``networks/lora_flux.py``: a pair for each part with s = α/r, saved as one of 3r with the same α."""
    header = {
        "ss_network_module": "networks.lora_flux",
        "ss_network_args": json.dumps({"split_qkv": split}),
    }
    adapter = load_adapter(saved(tmp_path / "a.safetensors", lora(NAME), header))
    assert (
        any(
            "split_qkv" in one and "a third (a quarter) of what was trained" in one
            for one in adapter.caveats
        )
        == said
    )


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "null", '{"algo": null}'])
def test_arguments_in_a_header_that_are_no_json(tmp_path: Path, text: str) -> None:
    file = saved(tmp_path / "a.safetensors", lora(NAME), {"ss_network_args": text})
    assert not load_adapter(file).caveats
