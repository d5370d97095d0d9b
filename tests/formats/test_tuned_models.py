"""A model that was tuned in full, beside its base: ΔW = its weights − W0, and what is asked of that."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from commands import run_apart
from local_hub import serving
from made_formats import deltas as deltas_of_modules
from made_formats import made_by
from safetensors.torch import load, load_file, save_file
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.errors import AdapterError, BaseModelError, LensError, ModuleLookupError, RankError
from lora_lens.questions.grid.result import RankGrids
from lora_lens.questions.spectrum.words import details


def tuned(folder: Path, name: str, **saving: Any) -> dict[str, np.ndarray]:
    """transformers' model and its base, and by the path of each matrix what its training changed, as (out, in)."""
    transformers = pytest.importorskip("transformers")
    model = getattr(made_by("peft_lora"), name)()
    model.save_pretrained(folder / "base")
    before = {path: weight.clone() for path, weight in model.state_dict().items()}
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    model.save_pretrained(folder / "tuned", **saving)
    changed = {}
    for path, weight in model.state_dict().items():
        if weight.ndim > 1:
            delta = weight.double() - before[path].double()
            conv1d = isinstance(
                model.get_submodule(path.rpartition(".")[0]), transformers.pytorch_utils.Conv1D
            )
            changed[path.removesuffix(".weight")] = (delta.T if conv1d else delta).numpy()
    return changed


def deltas(adapter: ll.Adapter) -> dict[str, np.ndarray]:
    found = deltas_of_modules(replace(adapter, modules=adapter.dense, dense={}))
    return {path: delta.numpy() for path, delta in found.items()}


@pytest.mark.parametrize(
    ("name", "saving"),
    [("bert", {}), ("gpt2", {}), ("llama", {"max_shard_size": "2KB"})],
)
def test_delta_is_what_was_trained_less_w0(
    tmp_path: Path, name: str, saving: dict[str, Any]
) -> None:
    changed = tuned(tmp_path, name, **saving)
    if saving:
        assert (tmp_path / "tuned" / "model.safetensors.index.json").exists()
    adapter = ll.load_adapter(tmp_path / "tuned", tmp_path / "base")
    found = deltas(adapter)
    tied = changed.keys() - found.keys()  # GPT-2's head, which is not saved
    assert tied == ({"lm_head"} if name == "gpt2" else set())
    for path, delta in found.items():
        np.testing.assert_allclose(delta, changed[path], rtol=1e-5, atol=1e-8)
    if name == "gpt2":
        assert {"query", "key", "value"} <= set(adapter.dense)
        rows = ll.spectrum(adapter, "value", beside_w0=True).layers
        own = changed["transformer.h.1.attn.c_attn"][24:]
        np.testing.assert_allclose(rows[1].singular_values, np.linalg.svd(own)[1], rtol=1e-5)
    assert adapter.method == "full"
    assert not adapter.modules
    assert adapter.trainable_parameters == sum(delta.size for delta in found.values())
    assert adapter.tensors == len(found) + len(adapter.left_out)
    assert f"less W0 of {tmp_path / 'base'}" in adapter.notes[0]


def test_a_convolution_is_unfolded(tmp_path: Path) -> None:
    model = made_by("peft_lora").Convolutions()
    model.save_pretrained(tmp_path / "base")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.data += 1
    model.save_pretrained(tmp_path / "tuned")
    found = deltas(ll.load_adapter(tmp_path / "tuned", tmp_path / "base"))
    for name, weight in before.items():
        if weight.ndim > 1:
            shape = (len(weight), weight[0].numel())
            np.testing.assert_allclose(found[name.removesuffix(".weight")], np.ones(shape), 1e-5)


def of_bert(tmp_path: Path, seed: int = 0) -> tuple[Path, Path, dict[str, torch.Tensor]]:
    """A base without a prefix, what it was tuned to with one and a new head, and by path what was changed."""
    shape = BertLike()
    base = write_base(tmp_path / "base", shape)
    own = load_file(base / "model.safetensors")
    changed, saved = {}, {"classifier.weight": random(2, 24, seed=1), "bias": random(2, seed=1)}
    for k, (name, w0) in enumerate(own.items()):
        delta = 0.1 * random(*w0.shape, seed=100 * (seed + 1) + k) if w0.ndim > 1 else 0
        path = name.removeprefix("bert.")
        saved[f"bert.{path}"] = w0 + delta
        if w0.ndim > 1:
            changed[f"bert.{path.removesuffix('.weight')}"] = (w0 + delta) - w0
    folder = tmp_path / f"tuned-{seed}"
    folder.mkdir()
    save_file(saved, folder / "model.safetensors")
    shutil.copy(base / "config.json", folder / "config.json")
    return folder, base, changed


def of_layer(changed: dict[str, torch.Tensor], module: str, layer: int) -> np.ndarray:
    (name,) = [each for each in changed if each.endswith(f"layer.{layer}.attention.self.{module}")]
    return changed[name].double().numpy()


def test_spectrum_has_singular_values_and_intruder_dimensions(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    adapter = ll.load_adapter(folder, base)
    assert adapter.left_out["classifier.weight"] == "tuned in full, and new: not in the base"
    found = ll.spectrum(adapter, draws=2)
    assert {one.name for one in found.layers} <= set(changed)
    opened = ll.open_base(base)
    for one in found.layers:
        delta = changed[one.name].double().numpy()
        s = np.linalg.svd(delta, compute_uv=False)
        np.testing.assert_allclose(one.singular_values, s, rtol=1e-5)
        assert one.matrix == "ΔW"
        w0 = opened.weight(one.name).double().numpy()
        u, after = np.linalg.svd(w0)[0], np.linalg.svd(w0 + delta)[0]
        expected = np.abs(u.T @ after).max(0)[: max(found.ks)]
        assert one.beside_w0
        np.testing.assert_allclose(one.beside_w0.cosines, expected, atol=1e-4)
        assert len(one.beside_w0.random_cosines) == 2
    assert "of up to one in six is above that, too) would have" in details(found)[1]
    assert found.suggestion.layers == ()
    assert found.modules == tuple(adapter.dense) == ("key", "query", "value")
    with pytest.raises(LensError, match=r"^--k \(ks\) is for intruder dimensions"):
        ll.spectrum(adapter, beside_w0=False, ks=[1])


def test_its_leading_directions_are_compared_with_an_adapters(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    lora = ll.load_adapter(tmp_path / "lora", base)
    full = ll.load_adapter(folder, base)
    factors = lora.modules["query"]
    rank = factors.ranks[0]
    top = 5
    grids = ll.rank_grids(lora, full, "query", top=top, draws=0)
    compared = ll.compare(lora, full, "query", draws=99)
    assert list(compared) == ["delta"]
    assert "flipped" in compared["delta"].baselines
    assert not any("gauge" in note for note in compared.notes)
    many = ll.adapter_matrix([lora, full], "query", rank, draws=0)
    for k, layer in enumerate(factors.layers):
        u = np.linalg.svd(factors.b[k].double().numpy() @ factors.a[k].double().numpy())
        v = np.linalg.svd(of_layer(changed, "query", layer))
        (left,) = [one for one in grids if (one.layer, one.side) == (layer, "left")]
        (right,) = [one for one in grids if (one.layer, one.side) == (layer, "right")]
        assert left.shape == (rank, top)
        assert left.full == (rank, min(v[0].shape))
        for grid, ours, theirs in ((left, u[0], v[0]), (right, u[2].T, v[2].T)):
            for i, j in ((1, 1), (rank, top), (2, 4)):
                phi = np.square(ours[:, :i].T @ theirs[:, :j]).sum() / min(i, j)
                np.testing.assert_allclose(grid.values[i - 1, j - 1], phi, atol=1e-5)
        phi = np.square(u[0][:, :rank].T @ v[0][:, :rank]).sum() / rank
        np.testing.assert_allclose(compared["delta"].values[k], phi, atol=1e-5)
        assert many.by_layer is not None
        np.testing.assert_allclose(many.by_layer[k][0, 1], phi, atol=1e-5)
    assert {grid.matrix for grid in grids} == {"delta"}
    assert "all of the first's directions and the second's leading 5 of 24" in grids.summary


def test_of_w0_both_are_cut(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    full = ll.load_adapter(folder, base)
    grids: RankGrids = ll.rank_grids(full, None, "value", top=3, draws=99)
    opened = ll.open_base(base)
    for one in grids.of("delta", "left"):
        name = full.dense["value"].names[full.dense["value"].layers.index(one.layer)]
        w0 = np.linalg.svd(opened.weight(name).double().numpy())[0][:, :3]
        delta = np.linalg.svd(of_layer(changed, "value", one.layer))[0][:, :3]
        np.testing.assert_allclose(one.values[-1, -1], np.square(w0.T @ delta).sum() / 3, atol=1e-5)
    cut = "W0's leading 3 of 24 directions and ΔW's leading 3 of 24"
    assert f"{cut}, are" in grids.summary
    assert all(cut in finding.claim.about for finding in grids.findings)
    assert [one["full"] for one in grids.to_dict()["grids"]] == [[24, 24]] * len(grids)


def test_amplification_of_so_many_directions(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    full, opened = ll.load_adapter(folder, base), ll.open_base(base)
    for one in ll.amplification(full, "value", 2).layers:
        name = full.dense["value"].names[full.dense["value"].layers.index(one.layer)]
        u, s, vh = np.linalg.svd(of_layer(changed, "value", one.layer))
        inside = u[:, :2].T @ opened.weight(name).double().numpy() @ vh[:2].T
        np.testing.assert_allclose(one.w0_in_delta, np.linalg.norm(inside), rtol=1e-4)
        np.testing.assert_allclose(one.delta_norm, np.linalg.norm(s), rtol=1e-5)


def test_all_directions_are_no_subspace(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    other, _, _ = of_bert(tmp_path / "other", seed=1)
    one, two = ll.load_adapter(folder, base), ll.load_adapter(other, base)
    for asked in (
        lambda: ll.amplification(one, "value"),
        lambda: ll.compare(one, two, "value"),
        lambda: ll.adapter_matrix([one, two], "value"),
    ):
        with pytest.raises(RankError, match=r"trained in full.* all directions.*--rank, rank"):
            asked()
    assert ll.compare(one, two, "value", rank=3, draws=20)["delta"].values.max() < 1
    paths = [str(folder), str(other)]
    assert ll.adapter_matrix(paths, "value", 3, base=base, draws=0).names == (
        "tuned-0",
        "other/tuned-1",
    )


def test_what_is_of_factors_is_refused(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    full = ll.load_adapter(folder, base)
    write_lora(tmp_path / "lora", BertLike())
    lora = ll.load_adapter(tmp_path / "lora", base)
    for asked in (
        lambda: ll.conversion_similarity(full, "value", draws=0),
        lambda: ll.shared_subspace(full, "value"),
        lambda: ll.shared_subspace(lora, "value", other=full),
        lambda: ll.adapter_matrix([lora, full], "value", matrix="B", rank=2),
    ):
        with pytest.raises(ModuleLookupError, match="has no A and B"):
            asked()
    with pytest.raises(LensError, match="matrices are A; of what was trained in full, with no A"):
        ll.rank_grids(lora, full, "value", matrices="A")


def test_what_is_not_its_base_is_refused(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    with pytest.raises(AdapterError, match=r"holds a whole model, .* with --base the model that"):
        ll.load_adapter(folder)
    with pytest.raises(AdapterError, match="is the base itself, whose ΔW is zero"):
        ll.load_adapter(base, base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    with pytest.raises(BaseModelError, match="a roberta by .* a bert: it was not tuned from that"):
        ll.load_adapter(folder, base)


def test_what_is_not_in_its_numbers_is_refused(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    # Read into memory, for the file is written over twice: an older library's tensors are the file's own bytes.
    saved = load((folder / "model.safetensors").read_bytes())
    name = next(each for each in saved if each.endswith("query.weight"))
    save_file(saved | {name: saved[name].to(torch.int8)}, folder / "model.safetensors")
    with pytest.raises(AdapterError, match="holds torch.int8, expected floats of 16 bits"):
        ll.spectrum(ll.load_adapter(folder, base), "query", beside_w0=False)
    save_file(saved | {name: saved[name] * torch.inf}, folder / "model.safetensors")
    with pytest.raises(AdapterError, match="is not finite"):
        ll.spectrum(ll.load_adapter(folder, base), "query", beside_w0=False)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"bits": 8}}))
    with pytest.raises(AdapterError, match="is quantised"):
        ll.load_adapter(folder, base)


def test_what_was_saved_in_half_precision_is_compared_with_w0_in_it(tmp_path: Path) -> None:
    shape = BertLike()
    base = write_base(tmp_path / "base", shape)
    saved = {name: w.bfloat16() for name, w in load_file(base / "model.safetensors").items()}
    folder = tmp_path / "tuned"
    folder.mkdir()
    save_file(saved, folder / "model.safetensors")
    shutil.copy(base / "config.json", folder / "config.json")
    full = ll.load_adapter(folder, base)
    assert max(np.abs(delta).max() for delta in deltas(full).values()) == 0
    assert "is zero in every layer" in ll.spectrum(full, beside_w0=False).summary


def test_every_question_says_what_half_precision_keeps(tmp_path: Path) -> None:
    """Of changes of a step's size, noise in two models is alike in the rows where W0 is small."""
    folder, base, _ = of_bert(tmp_path)
    other, _, _ = of_bert(tmp_path / "other", seed=1)
    exact = ll.compare(ll.load_adapter(folder, base), ll.load_adapter(other, base), "query", 3)
    for one in (folder, other):
        saved_anew(one, lambda _, w: w.bfloat16())
    full, second = ll.load_adapter(folder, base), ll.load_adapter(other, base)
    for asked in (
        ll.spectrum(full, "query"),
        ll.compare(full, second, "query", 3, draws=20),
        ll.rank_grids(full, None, "query", top=3, draws=0),
        ll.amplification(full, "query", 3),
        ll.magnitude_and_direction(full, "query", draws=2),
        ll.adapter_matrix([full, second], "query", 3, draws=0),
    ):
        said = [note for note in asked.notes if f"{folder} is saved in bfloat16, whose" in note]
        assert len(said) == 1, asked
    assert not any("whose steps" in note for note in exact.notes)


def test_one_is_taken_where_it_is_named_and_not_where_a_folder_of_adapters_is(
    tmp_path: Path,
) -> None:
    folder, base, _ = of_bert(tmp_path / "models")
    write_lora(tmp_path / "models" / "lora", BertLike())
    with pytest.raises(AdapterError, match="1 adapter given"):
        ll.adapter_matrix(tmp_path / "models", base=base)
    (folder / "adapter").mkdir()
    shutil.copytree(tmp_path / "models" / "lora", folder / "adapter", dirs_exist_ok=True)
    assert ll.load_adapter(folder, base).method == "lora"  # the one adapter within it


def test_inspect_lists_its_matrices(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    found = ll.inspect(ll.load_adapter(folder, base))
    assert {one.name for one in found.dense} == set(changed)
    assert found.modules == ()
    full = ll.load_adapter(folder, base)
    assert repr(full).startswith(f"<Adapter: Full fine-tuning {folder}, base {base}; key, query,")
    assert full._repr_html_().count("<tr><td>") == len(full.dense)
    assert found.summary.startswith(
        "full, no low-rank factors: a dense ΔW of 9 matrices of 3 modules"
    )


def test_inspect_says_that_nothing_was_changed(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    w0 = load_file(base / "model.safetensors")
    saved_anew(folder, lambda name, w: w0.get(name.removeprefix("bert."), w))
    (said,) = unchanged_in(folder, base)
    assert said.startswith(
        f"every ΔW is zero: {folder} has each of these matrices as {base} has it"
    )
    result = CliRunner().invoke(app, ["inspect", str(folder), "--base", str(base)])
    assert "every ΔW is zero" in result.output
    for k, name in enumerate(w0):  # a bias is no matrix; one number of one is enough
        one = folder.parent / f"changed-{k}"
        shutil.copytree(folder, one)
        saved_anew(one, lambda own, w, name=name: one_more(w) if own.endswith(name) else w)
        assert bool(unchanged_in(one, base)) == (w0[name].ndim < 2)
    saved_anew(folder, lambda _, w: w.bfloat16())  # W0 as that rounds it
    assert unchanged_in(folder, base)
    saved_anew(folder, lambda _, w: w * torch.nan)
    assert not unchanged_in(folder, base)


def test_that_nothing_was_changed_is_told_without_a_factor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, base, _ = of_bert(tmp_path)
    w0 = load_file(base / "model.safetensors")
    saved_anew(folder, lambda name, w: w0.get(name.removeprefix("bert."), w))
    sent = pickle.loads(pickle.dumps(ll.load_adapter(folder, base)))  # factors, and no file
    with monkeypatch.context() as without:
        without.delattr(torch, "eye")
        (said,) = unchanged_in(folder, base)
    assert said.endswith("unless only biases, norms or the like were trained")
    assert said in ll.inspect(sent).notes
    saved_anew(base, lambda _, w: torch.full_like(w, 1e6))
    saved_anew(folder, lambda _, w: torch.full_like(w, torch.inf, dtype=torch.float16))
    assert not unchanged_in(folder, base)  # W0 as float16 rounds it is infinite too


def unchanged_in(folder: Path, base: Path) -> list[str]:
    return [note for note in ll.inspect(ll.load_adapter(folder, base)).notes if "is zero" in note]


def one_more(weight: torch.Tensor) -> torch.Tensor:
    changed = weight.clone()
    changed.view(-1)[0] += 1
    return changed


def test_it_can_be_sent_to_another_process_and_holds_one_identity(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    full = ll.load_adapter(folder, base)
    sent = pickle.loads(pickle.dumps(full))
    for path, delta in deltas(full).items():
        np.testing.assert_array_equal(deltas(sent)[path], delta)
    factors = full.dense["query"]
    assert factors.a.shape == (len(factors.layers), 24, 24)
    assert factors.a.untyped_storage().nbytes() == 4 * 24 * 24


def test_one_on_the_hub_is_downloaded_where_a_base_is_named(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path / "made")
    served = tmp_path / "served"
    shutil.copytree(folder, served / "some/tuned/main")
    write_lora(served / "some/adapter/main", BertLike(), base="some/bert")
    with serving(served) as hub:
        bare = run_apart(tmp_path, "inspect", "some/tuned", **hub.environment)
        assert "some/tuned is no adapter: it holds no adapter_config.json" in bare.stderr
        for name, method, key in (("tuned", "full", "dense"), ("adapter", "lora", "modules")):
            asked = ("inspect", f"some/{name}", "--base", str(base), "--json")
            done = run_apart(tmp_path, *asked, **hub.environment)
            found = json.loads(done.stdout)
            assert found["method"] == method, done.stderr
            assert {one["name"] for one in found[key]} <= set(changed)
            assert found[key]


def saved_anew(folder: Path, change: Any) -> None:
    file = folder / "model.safetensors"
    save_file({name: change(name, w).contiguous() for name, w in load_file(file).items()}, file)


def test_a_layer_that_was_frozen_is_left_out_and_said(tmp_path: Path) -> None:
    folder, base, changed = of_bert(tmp_path)
    w0 = load_file(base / "model.safetensors")
    frozen = next(name for name in w0 if name.endswith("layer.0.attention.self.query.weight"))
    saved_anew(
        folder, lambda name, w: w0[frozen] if name.endswith(frozen.removeprefix("bert.")) else w
    )
    other, _, _ = of_bert(tmp_path / "other", seed=1)
    full, second = ll.load_adapter(folder, base), ll.load_adapter(other, base)
    kept = full.dense["query"].layers[1:]
    said = "query was not changed in layer 0, which is left out"
    grids = ll.rank_grids(full, None, "query", top=3, draws=0)
    compared = ll.compare(full, second, "query", rank=3, draws=20)
    factors = ll.amplification(full, "query", 3)
    many = ll.adapter_matrix([full, second], "query", 3, draws=0)
    for layers, notes in (
        (grids.layers, grids.notes),
        (compared.layers, compared.notes),
        (tuple(one.layer for one in factors.layers), factors.notes),
        (many.layers, many.notes),
    ):
        assert layers == kept
        assert said in notes
    v = np.linalg.svd(of_layer(changed, "query", kept[0]))[0][:, :3]
    np.testing.assert_allclose(
        np.abs(v.T @ v), np.eye(3), atol=1e-9
    )  # of the layer that it is said to be
    assert ll.spectrum(full, "query").layers[0].stable_rank is None


def test_what_was_not_changed_at_all_is_said(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    w0 = load_file(base / "model.safetensors")
    saved_anew(folder, lambda name, w: w0.get(name, w0.get(name.removeprefix("bert."), w)))
    full = ll.load_adapter(folder, base)
    other, _, _ = of_bert(tmp_path / "other", seed=1)
    for asked in (
        lambda: ll.rank_grids(full, None, "query"),
        lambda: ll.compare(full, ll.load_adapter(other, base), "query", 2),
        lambda: ll.amplification(full, "query", 2),
        lambda: ll.adapter_matrix([full, ll.load_adapter(other, base)], "query", 2),
    ):
        with pytest.raises(RankError, match="is zero in every layer: it was not changed"):
            asked()


def test_of_all_directions_half_at_most_are_leading(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    other, _, _ = of_bert(tmp_path / "other", seed=1)
    one, two = ll.load_adapter(folder, base), ll.load_adapter(other, base)
    grids = ll.rank_grids(one, two, "query", draws=0)
    assert {grid.shape for grid in grids} == {(12, 12)}
    assert "the first's leading 12 of 24 directions and the second's leading 12 of 24" in (
        grids.summary
    )
    assert not any("the same A" in note for note in grids.notes)


def test_w0_is_as_the_model_was_saved(tmp_path: Path) -> None:
    """W0 + ΔW is what was saved, in half precision too."""
    folder, base, _ = of_bert(tmp_path)
    assert ll.load_adapter(folder, base).caveats == ()
    saved_anew(folder, lambda _, w: w.bfloat16())
    full = ll.load_adapter(folder, base)
    assert "in bfloat16, less W0 of" in full.notes[-1]
    assert "what is kept lies where W0 is small" in full.caveats[0]
    saved = load_file(folder / "model.safetensors")
    own = load_file(base / "model.safetensors")
    for one in ll.spectrum(full, "value", draws=0).layers:
        after = saved[f"{one.name}.weight"].double().numpy()
        name = next(each for each in own if one.name.removeprefix("bert.") in each)
        w0 = own[name].bfloat16().double().numpy()
        u, v = np.linalg.svd(w0)[0], np.linalg.svd(after)[0]
        assert one.beside_w0
        expected = np.abs(u.T @ v).max(0)[: len(one.beside_w0.cosines)]
        np.testing.assert_allclose(one.beside_w0.cosines, expected, atol=1e-6)


def test_stacks_of_experts_and_other_tensors_are_left_out(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    more = {
        "layers.0.block_sparse_moe.input_linear.weight": random(4, 6, 8, seed=1),
        "layers.0.attention.in_proj_weight": random(24, 8, seed=2),
        "cls_token": random(1, 1, 8, seed=3),
    }
    for k, file in enumerate((base / "model.safetensors", folder / "model.safetensors")):
        save_file(load_file(file) | {name: w + 0.1 * k for name, w in more.items()}, file)
    full = ll.load_adapter(folder, base)
    found = deltas(full)
    np.testing.assert_allclose(found["layers.0.attention"], 0.1, rtol=1e-5)
    for name in ("cls_token", "layers.0.block_sparse_moe.input_linear.weight"):
        assert "as a token, a table of positions or a stack of experts" in full.left_out[name]


def test_its_file_is_as_good_as_its_folder(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    file = folder / "model.safetensors"
    assert ll.load_adapter(file, base).dense.keys() == ll.load_adapter(folder, base).dense.keys()


def test_nothing_that_is_the_bases_or_nothing_at_all_is_said(tmp_path: Path) -> None:
    folder, base, _ = of_bert(tmp_path)
    full = ll.load_adapter(folder, base)
    with pytest.raises(ModuleLookupError, match="^no module 'nosuch' in this adapter; it has: key"):
        ll.spectrum(full, "nosuch")
    saved_anew(folder, lambda _, w: w[:1])
    with pytest.raises(AdapterError, match=r"no matrix of .* is one of .*: it was not tuned from"):
        ll.load_adapter(folder, base)
    save_file({}, folder / "model.safetensors")
    with pytest.raises(AdapterError, match="holds no tensors"):
        ll.load_adapter(folder, base)


def test_a_tower_is_that_of_its_own_class(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    small = {
        "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 1, "num_attention_heads": 2,
    }  # fmt: skip
    text = small | {"vocab_size": 30, "max_position_embeddings": 9}
    vision = small | {"image_size": 8, "patch_size": 4}
    both = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision))
    both.save_pretrained(tmp_path / "base")
    tower = transformers.CLIPTextModel(transformers.CLIPTextConfig(**text))
    tower.save_pretrained(tmp_path / "tuned")
    adapter = ll.load_adapter(tmp_path / "tuned", tmp_path / "base")
    saved = load_file(tmp_path / "tuned" / "model.safetensors")
    own = both.state_dict()
    (path,) = [path for path in deltas(adapter) if path.endswith("layers.0.mlp.fc1")]
    w0 = own["text_model.encoder.layers.0.mlp.fc1.weight"].double()
    expected = saved[f"{path}.weight"].double() - w0
    np.testing.assert_allclose(deltas(adapter)[path], expected.numpy(), atol=1e-6)
    assert not any("could be any of" in why for why in adapter.left_out.values())


def test_an_expert_apart_is_compared_with_its_slice_of_the_bases_stack(tmp_path: Path) -> None:
    stack, experts = random(2, 4, 3, seed=1), "model.layers.0.mlp.experts"
    changed = 0.01 * random(2, 4, 3, seed=2)
    for name, tensors in {
        "base": {f"{experts}.down_proj": stack},
        "tuned": {f"{experts}.{k}.down_proj.weight": stack[k] + changed[k] for k in (0, 1)},
    }.items():
        (tmp_path / name).mkdir()
        save_file(tensors, tmp_path / name / "model.safetensors")
        (tmp_path / name / "config.json").write_text('{"model_type": "qwen3_moe"}')
    adapter = ll.load_adapter(tmp_path / "tuned", tmp_path / "base")
    found = deltas(adapter)
    assert found.keys() == {f"{experts}.{k}.down_proj" for k in (0, 1)}
    for k, delta in enumerate(found.values()):
        np.testing.assert_allclose(delta, changed[k], atol=1e-6)
