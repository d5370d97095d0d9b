"""A whole model that still holds factors of low rank is refused: its weights less W0 are not what was trained."""

import json
import shutil
from pathlib import Path

import pytest
from checkpoints import BertLike, random, write_base, write_lora
from commands import fails, run
from safetensors.torch import load_file, save_file
from torch import Tensor

import lora_lens as ll
from lora_lens.errors import AdapterError, BaseModelError

PATH = "encoder.layer.0.attention.self.query"
W0 = f"{PATH}.weight"
PEFTS = f"{PATH}.lora_A.default.weight"
MERGE = "are more than their weights, as .* tells, .* merge what is added to them by the library"
NAMED = "adapter_config.json beside model.safetensors, and name that file"


def written(folder: Path, added: dict[str, Tensor], renamed: str = "weight") -> tuple[Path, Path]:
    """A model of which one layer's weight is called otherwise, with other tensors beside it, and its base."""
    base = write_base(folder / "base", BertLike())
    weights = load_file(base / "model.safetensors")
    weights |= {f"{PATH}.{renamed}": weights.pop(W0)} | added
    return write_base(folder / "tuned", BertLike(), weights), base


@pytest.mark.parametrize(("renamed", "first", "second", "named"), [
    ("base_layer.weight", "lora_A.default.weight", "lora_B.default.weight", True),
    ("base_layer.weight", "vera_lambda_b", "vera_lambda_d", True),
    ("weight", "lora_A", "lora_B", True),
    ("parametrizations.weight.original", "parametrizations.weight.0.lora_A", "parametrizations.weight.0.lora_B", True),
    ("parametrizations.weight.original", "parametrizations.weight.0.down", "parametrizations.weight.0.up", False),
    ("weight", "lora_left_weight", "lora_right_weight", False),
    ("weight", "lora_weight_1.weight", "lora_weight_2.weight", False),
    ("weight", "lora_a", "lora_b", False), ("weight", "lora_layer.down.weight", "lora_layer.up.weight", False),
    ("weight", "lora.A", "lora.B", False), ("weight", "loraA", "loraB", False), ("weight", "lora_A_q", "lora_B_q", True),
])  # fmt: skip
def test_it_is_refused_with_what_to_do(
    tmp_path: Path, renamed: str, first: str, second: str, named: bool
) -> None:
    """Its layer was read as not changed, or left out, and what was trained was in no table."""
    own = {f"{PATH}.{first}": random(2, 24, seed=1), f"{PATH}.{second}": random(24, 2, seed=2)}
    folder, base = written(tmp_path, own, renamed)
    for given in (None, base):  # the first is sent to no question that would misread it
        with pytest.raises(AdapterError, match=MERGE) as raised:
            ll.load_adapter(folder, given)
        assert (NAMED in str(raised.value)) == named


def test_every_route_to_a_whole_model_refuses_it(tmp_path: Path) -> None:
    folder, base = written(tmp_path, {f"{PATH}.lora_left_weight": random(2, 24, seed=1)})
    for step in (1, 2):
        shutil.copytree(folder, tmp_path / "run" / f"checkpoint-{step}")
    lora = write_lora(tmp_path / "lora", BertLike())
    page = tmp_path / "page.html"
    for asked in (
        ("inspect", folder), ("spectrum", folder), ("spectrum", folder / "model.safetensors"), ("magnitude", folder),
        ("compare", lora, folder), ("matrix", folder, lora), ("dynamics", tmp_path / "run"), ("grid", folder),
        ("amplification", folder), ("report", folder, "--out", page), ("report", lora, folder, "--out", page),
    ):  # fmt: skip
        fails(run(*asked, "--base", base), "are more than their weights")
    assert not page.exists()


def test_of_parts_the_factors_are_to_be_saved_alone(tmp_path: Path) -> None:
    folder, base = written(tmp_path, {PEFTS: random(2, 24, seed=1)}, "base_layer.weight")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + (name == PEFTS)}-of-00002.safetensors" for name in weights}
    for file in set(files.values()):
        own = {name: one for name, one in weights.items() if files[name] == file}
        save_file(own, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    for given in (None, base):
        with pytest.raises(AdapterError, match="or save lora_A and lora_B alone, as adapter_model"):
            ll.load_adapter(folder, given)


@pytest.mark.parametrize("name", [
    "attn.w_lora.lora.0.weight", "attn.q_lora_rank_proj.weight", "attn.lora_A_list.0.weight", "backbone.base_layer.0.weight",
    "conv.parametrizations.weight.original0", "conv.parametrizations.weight.0._u", "conv.parametrizations.weight.0.base",
])  # fmt: skip
def test_a_name_alone_is_no_factor(tmp_path: Path, name: str) -> None:
    """RWKV's, a Zamba2's, a DLA's, and torch's own norms of weights."""
    folder, base = written(tmp_path, {name: random(2, 24, seed=1)})
    assert set(ll.load_adapter(folder, base).modules) == set()
    assert name in ll.load_adapter(folder, base).left_out


def test_what_its_base_has_too_is_a_layer_of_its_own(tmp_path: Path) -> None:
    """As Phi-4-multimodal's: W0, its bias and the factors of two adapters, all of which may be tuned in full."""
    base = write_base(tmp_path / "base", BertLike())
    weights = load_file(base / "model.safetensors")
    own = {"base_layer.weight": weights.pop(W0), "base_layer.bias": random(24, seed=1)}
    for seed, adapter in enumerate(("vision", "speech")):
        own |= {
            f"lora_A.{adapter}.weight": random(2, 24, seed=seed),
            f"lora_B.{adapter}.weight": random(24, 2, seed=seed + 2),
        }
    weights |= {f"{PATH}.{last}": one for last, one in own.items()}
    write_base(base, BertLike(), weights)
    tuned = write_base(tmp_path / "tuned", BertLike(), {k: w + 1 for k, w in weights.items()})
    full = ll.load_adapter(tuned, base)
    found = {path for group in full.dense.values() for path in group.names}
    assert {f"{PATH}.base_layer", f"{PATH}.lora_A.speech"} <= found
    (said,) = full.caveats
    assert f"layers that are more than their weights, as {PATH}.base_layer.bias tells" in said
    assert said in ll.spectrum(full, "key", beside_w0=False).notes
    lora = write_lora(tmp_path / "lora", BertLike(), prefix="")
    with pytest.raises(BaseModelError, match="was saved with PEFT's layers around its own"):
        ll.spectrum(lora, base=base)


@pytest.mark.parametrize("factor", ["lora_A", "parametrizations.weight.0.lora_A"])
def test_bare_factors_that_the_base_has_too_are_matrices_of_its_own(
    tmp_path: Path, factor: str
) -> None:
    """As of Jina's embeddings and AdapterHub's: what was trained is beside W0 and beside them."""
    folder, base = written(
        tmp_path, {f"{PATH}.{factor}": random(2, 24, seed=1)}, W0.removeprefix(f"{PATH}.")
    )
    weights = load_file(base / "model.safetensors")
    save_file(weights | {f"{PATH}.{factor}": random(2, 24, seed=3)}, base / "model.safetensors")
    found = ll.load_adapter(folder, base)
    assert "are more than their weights" in found.caveats[0]
