"""DoRA: questions of factors say that they are of factors, and those of ΔW take W0 or refuse."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, write_lora
from made_formats import cases_of, deltas, made_by
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.errors import AdapterError, BaseModelError, LensError
from lora_lens.questions.inventory.tables import module_table
from lora_lens.questions.spectrum.suggestion_result import SuggestedRank
from lora_lens.questions.spectrum.tables import legend, spectrum_table
from lora_lens.questions.spectrum.words import details
from lora_lens.subspaces.delta import delta_singular, rescaled_delta
from lora_lens.subspaces.device import select_device

pytest.importorskip("peft", minversion="0.21")
SAID = "before every row"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DoRA adapter of two layers, its base and its true ΔW."""
    here = tmp_path_factory.mktemp("dora")
    torch.save(dict(cases_of("peft_lora")["dora"](here)), here / "deltas.pt")
    return here


@pytest.fixture
def alone(folder: Path, tmp_path: Path) -> Path:
    """The adapter without its base."""
    shutil.copytree(folder / "adapter", tmp_path / "alone")
    file = tmp_path / "alone" / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"base_model_name_or_path": str(tmp_path / "gone")}))
    return tmp_path / "alone"


def true(folder: Path, layer: int, module: str = "value") -> torch.Tensor:
    found = torch.load(folder / "deltas.pt")
    return found[f"bert.encoder.layer.{layer}.attention.self.{module}"]


def test_it_is_read_as_factors_and_a_row_scale(folder: Path) -> None:
    adapter = ll.load_adapter(folder / "adapter", folder / "base")
    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    value = adapter.modules["value"]
    assert (adapter.method, adapter.title) == ("dora", "DoRA")
    assert value.magnitude is not None
    (name,) = [n for n in tensors if "layer.1" in n and "value.lora_magnitude_vector" in n]
    assert torch.equal(value.magnitude[1], tensors[name])
    assert not adapter.left_out
    assert adapter.trainable_parameters == 4 * 2 * 3 * 24
    assert SAID in adapter.caveats[0]


def test_amplification_is_of_the_true_delta(folder: Path) -> None:
    found = ll.amplification(folder / "adapter", "value", base=str(folder / "base"))
    for layer in found.layers:
        delta = true(folder, layer.layer)
        assert layer.delta_norm == pytest.approx(float(delta.norm()), rel=1e-6)
        assert layer.rank == 3
        u, _, vh = torch.linalg.svd(delta)
        w0 = ll.open_base(str(folder / "base")).weight(
            f"bert.encoder.layer.{layer.layer}.attention.self.value"
        )
        inside = float((u[:, :3].T @ w0.double() @ vh[:3].T).norm())
        assert layer.w0_in_delta == pytest.approx(inside, rel=1e-6)
    assert SAID in found.notes[0]


def test_with_w0_the_spectrum_is_of_the_true_delta(folder: Path) -> None:
    found = ll.spectrum(folder / "adapter", "value", base=str(folder / "base"), ks=[1])
    one, s = found.layers[0], torch.linalg.svdvals(true(folder, 0).double())
    assert (one.matrix, one.rank) == ("ΔW", 3)
    assert one.singular_values == pytest.approx(s.tolist(), abs=1e-6 * float(s[0]))
    share = s.square().cumsum(0) / s.square().sum()
    assert one.rank_99 == int((share < 0.99).sum()) + 1
    assert sum(each > 0 for each in one.singular_values) > one.rank
    edge = float(s.norm()) / len(s) * 2 * len(s) ** 0.5  # Marchenko and Pastur's, of a square
    assert one.product_edge == pytest.approx(edge, rel=1e-6)
    assert one.beside_w0 is not None
    relative = one.frobenius_norm / one.beside_w0.w0_frobenius_norm
    assert one.beside_w0.relative_frobenius_norm == pytest.approx(relative, rel=1e-9)
    assert f"Of the {len(s)} directions that ΔW has" in found.summary
    table = spectrum_table(found)
    assert table.title.startswith("ΔW: ")
    assert "‖ΔW‖_F" in table.head
    assert "random Gaussian matrix" in legend(found)[1]


def test_without_w0_the_spectrum_is_of_the_factors_and_named_so(folder: Path) -> None:
    found = ll.spectrum(folder / "adapter", "value", beside_w0=False)
    value = ll.load_adapter(folder / "adapter").modules["value"]
    product = value.scaling[0] * value.b[0].double() @ value.a[0].double()
    one = found.layers[0]
    assert one.frobenius_norm == pytest.approx(float(product.norm()), rel=1e-6)
    assert one.matrix == "s·B·A"
    table = spectrum_table(found)
    said = [found.summary, *details(found), table.title, *table.head, repr(one)]
    assert not any("ΔW" in each for each in said)
    assert "Of the 3 directions that s·B·A has" in found.summary
    assert {row["matrix"] for row in found.rows() + found.singular_values()} == {"s·B·A"}
    found.plot().draw_without_rendering()
    inventory = ll.inspect(folder / "adapter")
    modules = module_table(inventory)
    assert not any("ΔW" in each for each in [modules.title, *modules.head])
    assert {one.matrix for one in inventory.modules} == {"s·B·A"}


@pytest.mark.parametrize("beside_w0", [True, False])
def test_no_rank_is_suggested(folder: Path, tmp_path: Path, *, beside_w0: bool) -> None:
    base = str(folder / "base")
    found = ll.spectrum(folder / "adapter", beside_w0=beside_w0, base=base)
    names = {one.name for one in found.layers}
    assert (found.suggestion.layers, set(found.suggestion.full_rank)) == ((), names)
    assert any("no rank is suggested of DoRA" in note for note in found.notes)
    assert not any("rank-pattern" in name for name in found.save(tmp_path / "files"))
    alone = ll.suggest_ranks(folder / "adapter")
    assert alone.snippet() == ""
    assert alone.summary.startswith("No rank is suggested of DoRA")
    with pytest.raises(LensError, match="no rank is suggested here"):
        alone.save(tmp_path / "alone")
    assert not (tmp_path / "alone").exists()
    layer = SuggestedRank("q", 8, 2, 1.0, 1.0, 16)
    mixed = replace(alone, layers=(layer,)).summary
    assert mixed.startswith("Smallest ranks")
    assert "; no rank is suggested of DoRA" in mixed


def test_where_w0_of_some_modules_is_not_found_the_table_says_of_what_each_row_is(
    folder: Path,
) -> None:
    one = ll.spectrum(folder / "adapter", "query", beside_w0=False)
    other = ll.spectrum(folder / "adapter", "value", base=str(folder / "base"), ks=[1])
    table = spectrum_table(replace(other, layers=(*one.layers, *other.layers)))
    assert [row[table.head.index("of")] for row in table.rows] == ["s·B·A"] * 2 + ["ΔW"] * 2


def test_compare_takes_the_true_delta_with_w0(folder: Path, alone: Path) -> None:
    base = str(folder / "base")
    other = folder / "other"
    if not other.exists():
        shutil.copytree(folder / "adapter", other)
        file = other / "adapter_model.safetensors"
        tensors = load_file(file)
        turned = {n: t.flip(0) if "magnitude" in n else t for n, t in tensors.items()}
        save_file(turned, file)
    found = ll.compare(folder / "adapter", other, "value", base=base, draws=0)
    assert found["A"].values == pytest.approx(1)
    u = torch.linalg.svd(true(folder, 0))[0][:, :3]
    v = torch.linalg.svd(deltas(ll.load_adapter(other, base))[_path(0)])[0][:, :3]
    assert found["delta"].values[0] == pytest.approx(float((u.T @ v).square().sum()) / 3, rel=1e-6)
    assert found["delta"].values[0] < 0.999
    assert any(SAID in note for note in found.notes)
    with pytest.raises(BaseModelError, match="made with W0: base model .*; pass --base"):
        ll.compare(alone, alone, "value", draws=0)


def _path(layer: int) -> str:
    return f"bert.encoder.layer.{layer}.attention.self.value"


def test_matrix_and_grid(folder: Path, alone: Path) -> None:
    base = str(folder / "base")
    found = ll.adapter_matrix([folder / "adapter", alone], "value", draws=0, matrix="A")
    assert found.values == pytest.approx(1)
    assert SAID in found.notes[0]
    delta = ll.adapter_matrix(
        [folder / "adapter", alone], "value", draws=0, matrix="delta", base=base
    )
    assert delta.values == pytest.approx(1)
    with pytest.raises(BaseModelError):
        ll.adapter_matrix([alone, folder / "adapter"], "value", draws=0, matrix="delta")
    one, other = folder / "adapter", alone
    grid = ll.rank_grids(one, other, "value", draws=0, matrices=["A", "B"])
    assert any(SAID in note for note in grid.notes)
    with pytest.raises(BaseModelError):
        ll.rank_grids(one, other, "value", draws=0, matrices=["delta-left"])
    beside = ll.rank_grids(one, None, "value", base=base, draws=0)
    u = torch.linalg.svd(true(folder, 0))[0]
    w0 = torch.linalg.svd(ll.open_base(base).weight(_path(0)).double())[0]
    expected = float((w0[:, 0] @ u[:, 0]).square())
    (first,) = [g for g in beside.grids if (g.layer, g.side) == (0, "left")]
    assert first.values[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("question", ["inspect", "spectrum", "similarity", "dynamics"])
def test_questions_of_factors_say_so(folder: Path, tmp_path: Path, question: str) -> None:
    base = str(folder / "base")
    found: Any
    if question == "inspect":
        found = ll.inspect(folder / "adapter")
        assert found.method == "dora"
    elif question == "spectrum":
        found = ll.spectrum(folder / "adapter", beside_w0=False)
    elif question == "similarity":
        found = ll.conversion_similarity(folder / "adapter", "value", base=base, draws=2)
    else:
        for step in (1, 2):
            shutil.copytree(folder / "adapter", tmp_path / f"checkpoint-{step}")
        found = ll.dynamics(tmp_path, "value")
    assert any(SAID in note for note in found.notes)


def test_it_is_not_exported(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is DoRA, whose ΔW no two factors make"):
        ll.export_lora(folder / "adapter", tmp_path / "out")


def test_a_model_in_memory_is_read_alike(tmp_path: Path) -> None:
    lora = made_by("peft_lora")
    kept: list[Any] = []
    original = lora.wrapped
    lora.wrapped = lambda *given: kept.append(original(*given)) or kept[-1]
    expected = lora.CASES["dora"](tmp_path)
    found = deltas(ll.load_adapter(kept[0]))
    for path, delta in expected.items():
        torch.testing.assert_close(found[path], delta, rtol=1e-6, atol=1e-6)


def test_a_trained_nothing_has_no_subspace(folder: Path, tmp_path: Path) -> None:
    """With m the norms of W0's rows and B = 0 ΔW is rounding, which is nothing."""
    shutil.copytree(folder / "adapter", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = ll.open_base(str(folder / "base"))
    tensors = load_file(file)
    for name in tensors:
        path = name.removeprefix("base_model.model.").partition(".lora_")[0]
        if "lora_B" in name:
            tensors[name] = torch.zeros_like(tensors[name])
        elif "magnitude" in name:
            tensors[name] = weights.weight(path).norm(dim=1)
    save_file(tensors, file)
    with pytest.raises(LensError, match="untrained"):
        ll.amplification(tmp_path / "adapter", "value", base=str(folder / "base"))


@pytest.mark.parametrize(
    ("out", "dtype", "scaled_away"),
    [
        (256, torch.float32, False),
        (256, torch.float32, True),
        (256, torch.bfloat16, False),
        (256, torch.bfloat16, True),
        (768, torch.float32, True),
    ],
)
def test_norms_of_long_rows_are_rounded_more_than_once(
    out: int, dtype: torch.dtype, *, scaled_away: bool
) -> None:
    w0 = torch.randn(out, 3072, generator=torch.Generator().manual_seed(0)).to(dtype)
    a, b = torch.ones(1, 4, 3072), torch.ones(1, out, 4) * scaled_away
    norms = torch.linalg.norm(w0, dim=1).to(dtype)[None]
    factors = ModuleFactors(
        "value",
        "*.value",
        (0,),
        ("0.value",),
        a,
        b,
        torch.tensor([0.0 if scaled_away else 2.0]),
        (4,),
    )
    found = delta_singular(
        replace(factors, magnitude=norms), 0, select_device("cpu", "float64"), w0
    )
    assert len(found.s) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("trained", [False, True])
def test_a_small_delta_beside_a_magnitude_in_half_precision_is_not_rounded_away(
    folder: Path, tmp_path: Path, dtype: torch.dtype, *, trained: bool
) -> None:
    """ΔW is a hundredth of W0, and what rounding m does to it is in it: it is merged so. Untrained it is nothing."""
    shutil.copytree(folder / "adapter", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights, tensors = ll.open_base(str(folder / "base")), load_file(file)
    for name, tensor in tensors.items():
        path = name.removeprefix("base_model.model.").partition(".lora_")[0]
        if "magnitude" in name:
            tensors[name] = (weights.weight(path).norm(dim=1) * (1.01 if trained else 1)).to(dtype)
        elif "lora_B" in name:
            tensors[name] = tensor * (1e-3 if trained else 0)
    save_file(tensors, file)
    adapter = ll.load_adapter(tmp_path / "adapter", base=str(folder / "base"))
    found = ll.spectrum(adapter, "value", beside_w0=True)
    factors, base = adapter.modules["value"], ll.open_base(str(folder / "base"))
    for position, one in enumerate(found.layers):
        dense = rescaled_delta(factors, position, base.w0(factors, position))
        norm = float(torch.linalg.matrix_norm(dense)) if trained else 0.0
        assert one.frobenius_norm == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, t: None if "magnitude" in n and "layer.1" in n else t, "no lora_magnitude_vector"),
        (lambda n, t: t[:5] if "magnitude" in n else t, "5 numbers and B 24 rows"),
        (lambda n, t: t * torch.nan if "magnitude" in n else t, "the magnitude of .* holds NaN"),
        (lambda n, t: t.reshape(4, 6) if "magnitude" in n else t, "expected numbers in a row"),
    ],
)  # fmt: skip
def test_broken_ones_are_refused(folder: Path, tmp_path: Path, change: Any, message: str) -> None:
    shutil.copytree(folder / "adapter", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = {n: change(n, t) for n, t in load_file(file).items()}
    save_file({n: t.contiguous() for n, t in tensors.items() if t is not None}, file)
    with pytest.raises(AdapterError, match=message):
        ll.load_adapter(tmp_path / "adapter")


def test_dora_over_a_changed_base_is_refused(alone: Path) -> None:
    file = alone / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"init_lora_weights": "pissa"}))
    with pytest.raises(AdapterError, match="DoRA initialised by 'pissa'"):
        ll.load_adapter(alone)


def test_a_layer_of_rank_0_with_a_magnitude_is_refused_as_that(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    path = f"base_model.model.bert.{shape.path(0, 'key')}"
    extra = {
        f"{path}.lora_A.weight": torch.ones(0, 24),
        f"{path}.lora_B.weight": torch.ones(24, 0),
        f"{path}.lora_magnitude_vector.weight": torch.ones(24),
    }
    write_lora(tmp_path, shape, extra=extra, config={"use_dora": True})
    with pytest.raises(AdapterError, match="has rank 0, and DoRA's magnitude"):
        ll.load_adapter(tmp_path)
