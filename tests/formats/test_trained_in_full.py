"""`modules_to_save`: ΔW = saved − W0 where the base is at hand, against PEFT's own model in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from made_formats import made_by
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.errors import AdapterError, ModuleLookupError
from lora_lens.formats.peft.names import FULL, UNKNOWN
from lora_lens.questions.spectrum.tables import spectrum_table

EMBEDDINGS = "bert.embeddings.word_embeddings"


def made(folder: Path, kept: list[Any] | None = None, **settings: Any) -> dict[str, torch.Tensor]:
    """A BERT with some modules trained in full, saved by PEFT; what was changed of each, by its path."""
    pytest.importorskip("peft", minversion="0.18")
    lora = made_by("peft_lora")
    model = lora.bert()
    base = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder / "base")
    import peft

    config = peft.LoraConfig(r=3, target_modules=["query"], **settings)
    tuned = peft.get_peft_model(model, config)
    torch.manual_seed(5)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn_like(parameter)
    tuned.save_pretrained(folder / "adapter")
    if kept is not None:
        kept.append(tuned)
    changed = {}
    merged = tuned.merge_and_unload() if kept is None else None
    for name, tensor in merged.state_dict().items() if merged else ():
        if name in base and not torch.equal(tensor, base[name]) and tensor.ndim == 2:
            changed[name.removesuffix(".weight")] = tensor.double() - base[name].double()
    return changed


def delta(adapter: ll.Adapter, module: str, position: int = 0) -> torch.Tensor:
    factors = adapter.dense[module]
    return factors.b[position].double() @ factors.a[position].double()


def test_what_was_changed_is_the_dense_update(tmp_path: Path) -> None:
    changed = made(tmp_path, modules_to_save=["word_embeddings", "pooler", "output.dense"])
    adapter = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    found = {
        name: delta(adapter, module, k)
        for module, factors in adapter.dense.items()
        for k, name in enumerate(factors.names)
    }
    assert found.keys() == {name for name in changed if not name.endswith("query")}
    assert {EMBEDDINGS, "bert.pooler.dense", "bert.encoder.layer.1.output.dense"} <= found.keys()
    for name, expected in found.items():
        torch.testing.assert_close(expected, changed[name], rtol=1e-6, atol=1e-9)
    assert adapter.tensors is not None
    used = 2 * len(adapter.modules["query"].layers) + len(found)
    assert used + len(adapter.left_out) == adapter.tensors
    assert all(name.endswith("bias") for name in adapter.left_out)
    assert "trained in full" in repr(adapter)


def test_spectrum_takes_it_by_name_and_inspect_counts_it(tmp_path: Path) -> None:
    changed = made(tmp_path, modules_to_save=["word_embeddings"])
    adapter = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    expected = np.linalg.svd(changed[EMBEDDINGS].numpy(), compute_uv=False)
    (one,) = ll.spectrum(adapter, "word_embeddings").layers
    np.testing.assert_allclose(one.singular_values, expected, rtol=1e-6)
    rows, columns = changed[EMBEDDINGS].shape
    assert (one.out_features, one.in_features, one.rank) == (rows, columns, min(rows, columns))
    spectrum = ll.spectrum(adapter, "word_embeddings")
    assert (one.matrix, spectrum_table(spectrum).title[:3]) == ("ΔW", "ΔW:")
    assert any(f"less W0 of {tmp_path / 'base'}" in note for note in spectrum.notes)
    edge = np.sqrt((expected**2).sum() / rows / columns) * (np.sqrt(rows) + np.sqrt(columns))
    assert one.product_edge == pytest.approx(edge, rel=1e-6)
    assert ll.spectrum(adapter, beside_w0=False).modules == ("query",)
    with pytest.raises(
        ModuleLookupError,
        match=r"it has: query; trained in full, with a ΔW and no A and B: word_embeddings$",
    ):
        ll.spectrum(adapter, "head")
    found = ll.inspect(adapter)
    assert [(d.name, d.out_features, d.in_features) for d in found.dense] == [
        (EMBEDDINGS, rows, columns)
    ]
    assert "1 module trained in full" in found.summary
    assert found.left_out == {}
    beside = ll.spectrum(adapter, "word_embeddings", ks=[2]).layers[0].beside_w0
    w0 = ll.open_base(tmp_path / "base").stored(EMBEDDINGS).double().numpy()
    assert beside
    relative = np.linalg.norm(expected) / np.linalg.norm(w0)
    assert beside.relative_frobenius_norm == pytest.approx(relative, rel=1e-6)
    after = np.linalg.svd(w0 + changed[EMBEDDINGS].numpy())[0]
    cosines = np.abs(np.linalg.svd(w0)[0].T[:24] @ after).max(0)[:2]
    np.testing.assert_allclose(beside.cosines, cosines, atol=1e-5)
    with pytest.raises(ModuleLookupError, match="was trained in full: its ΔW is dense"):
        ll.conversion_similarity(adapter, "word_embeddings", draws=2)


@pytest.mark.parametrize("live", [False, True])
def test_a_conv1d_is_the_update_of_out_by_in(tmp_path: Path, live: bool) -> None:
    peft = pytest.importorskip("peft")
    model = made_by("peft_lora").gpt2()
    model.save_pretrained(tmp_path / "base")
    before = model.get_parameter("transformer.h.0.mlp.c_fc.weight").clone()
    config = peft.LoraConfig(
        target_modules=["c_attn"], modules_to_save=["c_fc"], fan_in_fan_out=True
    )
    tuned = peft.get_peft_model(model, config)
    for name, parameter in tuned.named_parameters():
        if "modules_to_save" in name:
            torch.nn.init.normal_(parameter)
    tuned.save_pretrained(tmp_path / "adapter")
    in_files = (tmp_path / "adapter", tmp_path / "base")
    adapter = ll.load_adapter(tuned) if live else ll.load_adapter(*in_files)
    found = delta(adapter, "c_fc")
    after = tuned.merge_and_unload().get_parameter("transformer.h.0.mlp.c_fc.weight")
    torch.testing.assert_close(found, (after - before).T.double(), rtol=1e-6, atol=1e-6)


def test_of_a_copied_layer_it_is_less_the_w0_that_it_is_a_copy_of(tmp_path: Path) -> None:
    """PEFT's ``layer_replication``: the third layer is a copy of the second, the fourth of the third."""
    peft = pytest.importorskip("peft")
    llama = made_by("peft_lora").llama()
    model = type(llama)(type(llama.config)(**llama.config.to_dict() | {"num_hidden_layers": 3}))
    model.save_pretrained(tmp_path / "base")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = peft.LoraConfig(
        target_modules=["q_proj"], modules_to_save=["o_proj"], layer_replication=[[0, 2], [1, 3]]
    )
    tuned = peft.get_peft_model(model, config)
    for name, parameter in tuned.named_parameters():
        if "modules_to_save" in name:
            torch.nn.init.normal_(parameter)
    tuned.save_pretrained(tmp_path / "adapter")
    for adapter in (
        ll.load_adapter(tmp_path / "adapter", tmp_path / "base"),
        ll.load_adapter(tuned),
    ):
        assert adapter.dense["o_proj"].layers == (0, 1, 2, 3)
        for k, of in enumerate((0, 1, 1, 2)):
            layer = tuned.get_submodule(f"base_model.model.model.layers.{k}.self_attn.o_proj")
            own = layer.modules_to_save["default"].weight.detach()
            w0 = before[f"model.layers.{of}.self_attn.o_proj.weight"]
            expected = own.double() - w0.double()
            torch.testing.assert_close(delta(adapter, "o_proj", k), expected, rtol=1e-6, atol=1e-6)


def test_a_model_in_memory_has_them_too(tmp_path: Path) -> None:
    kept: list[Any] = []
    made(tmp_path, kept, modules_to_save=["word_embeddings", "pooler"])
    from_files = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    live = ll.load_adapter(kept[0])
    assert live.dense.keys() == from_files.dense.keys() == {"word_embeddings", "dense"}
    for module in live.dense:
        assert delta(live, module).norm() > 0.1
        torch.testing.assert_close(delta(live, module), delta(from_files, module))


def lora_with(
    folder: Path, saved: torch.Tensor, w0: torch.Tensor | None, name: str = "pooler.dense"
) -> ll.Adapter:
    shape = BertLike()
    extra = {f"base_model.model.bert.{name}.weight": saved}
    saved_whole = {"modules_to_save": ["pooler", "classifier"]}
    write_lora(folder / "lora", shape, extra=extra, config=saved_whole)
    own = {} if w0 is None else {f"bert.{name}.weight": w0}
    write_base(folder / "base", shape)
    write_base(folder / "base", shape, shape.base | own)
    return ll.load_adapter(folder / "lora", folder / "base")


def test_a_new_head_is_no_update(tmp_path: Path) -> None:
    adapter = lora_with(tmp_path, random(2, 24, seed=1), None, "classifier")
    assert not adapter.dense
    ((_, why),) = adapter.left_out.items()
    assert why == f"{FULL}, and new: not in the base"


@pytest.mark.parametrize("name", ["foo.bar", "classifier.weight", "norm.bias"])
def test_of_what_no_configuration_names_it_is_said_that_it_is_not_known(
    tmp_path: Path, name: str
) -> None:
    shape, extra = BertLike(), {f"base_model.model.{name}": random(3, 24, seed=1)}
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, extra=extra, config={"modules_to_save": None})
    for base in (None, tmp_path / "base"):
        assert list(ll.load_adapter(tmp_path / "lora", base).left_out.values()) == [UNKNOWN.why]


@pytest.mark.parametrize("config", [{"modules_to_save": ["score"]}, {"task_type": "SEQ_CLS"}])
def test_the_configuration_or_the_task_says_that_a_head_was_trained_in_full(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    extra = {"base_model.model.score.weight": random(2, 24, seed=1)}
    write_lora(tmp_path / "lora", BertLike(), extra=extra, config=config)
    (why,) = ll.load_adapter(tmp_path / "lora").left_out.values()
    assert why.startswith(FULL)


def test_a_table_that_has_grown_is_no_update(tmp_path: Path) -> None:
    adapter = lora_with(tmp_path, random(7, 24, seed=1), random(5, 24, seed=2))
    ((_, why),) = adapter.left_out.items()
    assert "it is 7x24, and W0 5x24" in why


def test_without_a_base_it_is_left_out(tmp_path: Path) -> None:
    lora_with(tmp_path, random(5, 24, seed=1), random(5, 24, seed=2))
    (tmp_path / "base").rename(tmp_path / "gone")
    adapter = ll.load_adapter(tmp_path / "lora")
    assert not adapter.dense
    assert list(adapter.left_out.values()) == [f"{FULL}; its ΔW needs the base"]


def test_what_was_saved_in_half_precision_is_compared_with_w0_in_it(tmp_path: Path) -> None:
    """Rounding W0 to what was saved is no training."""
    w0 = random(5, 24, seed=2)
    adapter = lora_with(tmp_path, w0.bfloat16(), w0)
    assert float(delta(adapter, "dense").norm()) == 0
    (one,) = ll.spectrum(adapter, "dense").layers
    assert one.stable_rank is None


def test_nan_is_refused(tmp_path: Path) -> None:
    saved = random(5, 24, seed=1)
    saved[0, 0] = torch.nan
    with pytest.raises(AdapterError, match="what was saved of bert.pooler.dense holds NaN"):
        lora_with(tmp_path, saved, random(5, 24, seed=2))


def test_factors_of_a_name_keep_it(tmp_path: Path) -> None:
    shape = BertLike()
    extra = {"base_model.model.bert.pooler.query.weight": random(5, 24, seed=1)}
    write_lora(tmp_path / "lora", shape, extra=extra)
    write_base(tmp_path / "base", shape)
    write_base(
        tmp_path / "base", shape, shape.base | {"bert.pooler.query.weight": random(5, 24, seed=2)}
    )
    adapter = ll.load_adapter(tmp_path / "lora", tmp_path / "base")
    assert set(adapter.modules) == {"query", "value"}
    assert list(adapter.dense) == ["bert.pooler.query"]
    assert len(ll.spectrum(adapter, "query", beside_w0=False).layers) > 1


def test_pefts_file_with_the_adapters_own_word(tmp_path: Path) -> None:
    """Older files say `modules_to_save` in the name."""
    lora_with(tmp_path, random(5, 24, seed=1), random(5, 24, seed=2))
    file = tmp_path / "lora" / "adapter_model.safetensors"
    tensors = {
        name.replace("pooler.dense.", "pooler.dense.modules_to_save.default."): tensor
        for name, tensor in load_file(file).items()
    }
    save_file(tensors, file)
    assert list(ll.load_adapter(tmp_path / "lora", tmp_path / "base").dense) == ["dense"]


def test_a_report_says_that_it_is_not_of_it(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    lora_with(tmp_path, random(5, 24, seed=1), random(5, 24, seed=2))
    ll.report(tmp_path / "lora", out=tmp_path / "r.html", base=str(tmp_path / "base"), draws=20)
    page = (tmp_path / "r.html").read_text()
    assert "module dense" in page
    assert "trained in full, with no factors of low rank" in page


def test_a_module_of_factors_here_and_in_full_there_says_so(tmp_path: Path) -> None:
    shape = BertLike()
    name = "bert.encoder.layer.7.attention.self.query"
    extra = {f"base_model.model.{name}.weight": random(24, 24, seed=1)}
    write_base(tmp_path / "base", shape)
    write_base(tmp_path / "base", shape, shape.base | {f"{name}.weight": random(24, 24, seed=2)})
    write_lora(tmp_path / "lora", shape, extra=extra, config={"modules_to_save": ["query"]})
    adapter = ll.load_adapter(tmp_path / "lora", tmp_path / "base")
    pattern = "bert.encoder.layer.*.attention.self.query"
    (said,) = [note for note in adapter.caveats if "trained in full in layer 7" in note]
    assert f"--module {pattern!r}" in said
    assert said in ll.spectrum(adapter, "query", beside_w0=False).notes
    assert ll.spectrum(adapter, pattern, beside_w0=False).layers[0].layer == 7


@pytest.mark.parametrize("alike", [True, False])
def test_whole_copies_of_one_module(tmp_path: Path, alike: bool) -> None:
    """Those that are the same numbers are one; of others none is taken for the module's."""
    shape = BertLike(layers=1, modules=("query",))
    dense = "bert.encoder.layer.0.output.dense"
    w0 = random(shape.width, shape.width, seed=3)
    write_base(tmp_path / "base", shape, {**shape.base, f"{dense}.weight": w0})
    name = f"base_model.model.{dense}.modules_to_save.{{}}.weight"
    first = random(*w0.shape, seed=4)
    copies = {name.format("a"): first, name.format("b"): first.clone() if alike else 2 * first}
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"), extra=copies)
    adapter = ll.load_adapter(tmp_path / "lora")
    said = [caveat for caveat in adapter.caveats if "whole copies" in caveat]
    if alike:
        assert not said
        (module,) = adapter.dense
        torch.testing.assert_close(delta(adapter, module).float(), first - w0)
    else:
        assert adapter.dense == {}
        assert len(said) == 1
        assert f"2 whole copies of {dense} that differ" in said[0]
        assert {why for tensor, why in adapter.left_out.items() if "modules_to_save" in tensor} == {
            f"{FULL}, as 2 that differ: which of them is used the file does not say"
        }
