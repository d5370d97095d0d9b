"""A report of a model that was tuned in full, by itself and beside adapters: what is of ΔW, and no more."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.core.computing.work import Size
from lora_lens.errors import ModuleLookupError
from lora_lens.questions import comparison, grid, spectrum
from lora_lens.report.analysed import Analysed
from lora_lens.report.analysis import analyse
from lora_lens.report.provenance import adapters_table, choices, facts, files_table
from lora_lens.report.request import Request
from lora_lens.report.rows import rows_of
from lora_lens.report.summary import left_out_lines, told
from lora_lens.report.units import forecast_of, units_of

LEFT_OUT = (
    "everything that A and B are needed for: trained in full, with a dense ΔW, and no A and B"
)


def tune(base: Path, folder: Path, seed: int) -> Path:
    generator = torch.Generator().manual_seed(seed)
    saved = {
        name: w + (w.ndim > 1) * 0.1 * torch.randn(w.shape, generator=generator)
        for name, w in load_file(base / "model.safetensors").items()
    }
    folder.mkdir()
    save_file(saved, folder / "model.safetensors")
    shutil.copy(base / "config.json", folder / "config.json")
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A LoRA of query and value, and two models."""
    folder = tmp_path_factory.mktemp("tuned")
    base = write_base(folder / "base", BertLike(modules=("query", "value", "key")))
    write_lora(folder / "lora", BertLike(), base=str(base))
    return [folder / "lora", *(tune(base, folder / name, seed) for seed, name in enumerate("ab"))]


@pytest.fixture(scope="module")
def analysed(three: list[Path]) -> Analysed:
    base = three[0].parent / "base"
    return analyse([ll.load_adapter(one, base) for one in three], Request(draws=19))


def test_what_can_be_asked_is(analysed: Analysed) -> None:
    found = {
        (one.module, one.of): [answer.asked.question.name for answer in one.answers]
        for one in analysed.modules
    }
    assert {module for module, _ in found} == {"query", "value"}  # of the adapter
    for module in ("query", "value"):
        assert found[module, (0,)] == ["similarity", "shared", "spectrum"]
        assert found[module, (1,)] == found[module, (2,)] == ["spectrum"]
        for pair in ((0, 1), (0, 2), (1, 2)):
            assert found[module, pair] == ["comparison", "grid"]
    lines = left_out_lines(analysed)
    assert lines == [f"{name}, query and value, {LEFT_OUT}" for name in "ab"]


def test_numbers_are_those_of_numpy(analysed: Analysed, three: list[Path]) -> None:
    base = load_file(three[0].parent / "base/model.safetensors")
    deltas = [
        {name: (w - base[name]).double().numpy() for name, w in load_file(one / "model.safetensors").items()}
        for one in three[1:]
    ]  # fmt: skip
    answers = {
        (one.module, one.of, answer.asked.question.name): answer.result
        for one in analysed.modules
        for answer in one.answers
    }
    for layer in range(3):
        (name,) = [
            each
            for each in deltas[0]
            if each.endswith(f"layer.{layer}.attention.self.value.weight")
        ]
        svds = [np.linalg.svd(delta[name]) for delta in deltas]
        of_a = answers["value", (1,), "spectrum"].layers[layer]
        np.testing.assert_allclose(of_a.singular_values, svds[0][1], rtol=1e-5)
        assert of_a.beside_w0
        u, v = (svd[0][:, :12] for svd in svds)
        phi = np.square(u.T @ v).sum() / 12
        both = answers["value", (1, 2), "comparison"]
        assert (both.i, both.j) == (12, 12)
        np.testing.assert_allclose(both["delta"].values[layer], phi, atol=1e-5)
        corner = next(one for one in answers["value", (1, 2), "grid"] if one.layer == layer)
        np.testing.assert_allclose(corner.values[-1, -1], phi, atol=1e-5)
    lora, a = (ll.load_adapter(one, three[0].parent / "base") for one in three[:2])
    np.testing.assert_array_equal(
        answers["value", (0, 1), "comparison"]["delta"].values,
        ll.compare(lora, a, "value", draws=19)["delta"].values,
    )


def test_its_page_says_what_it_has_not(three: list[Path], tmp_path: Path) -> None:
    base = three[0].parent / "base"
    out = ll.report(three[1], out=tmp_path / "r.html", base=base, memory="1GB")
    page = out.read_text("utf-8")
    assert "<h1>Model <span" in page
    assert f"key, query and value, {LEFT_OUT}" in page
    assert "A low-rank adapter adds" not in page
    assert "convention “" not in page
    assert "Smallest ranks that keep" not in page
    assert "0 of 0" not in page
    beside = ll.report(*three[:2], out=tmp_path / "both.html", base=base, draws=19)
    text = beside.read_text("utf-8")
    assert "<h1>Adapter <span" in text
    assert "Full fine-tuning" in text
    assert "the low-rank part" in text
    assert "in matrices of which there is a ΔW" in text


def test_models_alone_are_called_models(three: list[Path], tmp_path: Path) -> None:
    base = three[0].parent / "base"
    for given, called, head in ((three[1:], "models", "model"), (three[:2], "adapters", "adapter")):
        analysed = analyse(
            [ll.load_adapter(one, base) for one in given], Request(modules=["value"], draws=2)
        )
        table = adapters_table(analysed)
        assert (table.title, table.head[0]) == (f"The {called}", head)
        rows = [words for words, _ in choices(analysed, None, "")]
        assert (rows.count("Adapter"), rows.count("Model")) == ((0, 2), (1, 1))[head == "adapter"]


def test_provenance_is_of_its_own_files(three: list[Path], analysed: Analysed) -> None:
    rows = files_table(analysed).rows
    assert [row[:2] for row in rows if row[0].endswith(("/a", "/b"))] == [
        [str(three[1]), "model.safetensors"],
        [str(three[2]), "model.safetensors"],
    ]
    assert [one["convention"] for one in told(analysed)["adapters"]] == ["stored", None, None]
    assert "by the convention “stored”" in facts(analysed)
    alone = analyse([analysed.adapters[1]], Request(modules=("value",)))
    assert "convention" not in facts(alone)
    assert told(alone)["convention"] is None
    assert told(alone)["summary"] == "Nothing was tested against chance."


def test_the_forecast_has_the_svds_of_dense_deltas(analysed: Analysed) -> None:
    request = Request(draws=19)
    adapters = analysed.adapters
    rows, _ = rows_of(adapters, ("value",))
    units = list(units_of(adapters, [(base, "") for base in analysed.bases], rows))
    parts = forecast_of(units, request).parts
    assert len(parts) == 3 + 2 + 3 * 2
    for question in (comparison, spectrum, grid):
        count = question.QUESTION.part("work").work
        size, beside = Size(3, 24, 24, 4, 19), {"beside_w0": True} if question is spectrum else {}
        more = count(size._replace(dense=1), **beside).decompositions
        assert more - count(size, **beside).decompositions == 3 * 24**3


def test_of_models_alone_all_in_layers_are_taken(three: list[Path]) -> None:
    models = [ll.load_adapter(one, three[0].parent / "base") for one in three[1:]]
    rows, _ = rows_of(models, None)
    assert rows == [("key", "key"), ("query", "query"), ("value", "value")]


def test_who_lacks_a_module_is_told(three: list[Path], tmp_path: Path) -> None:
    lora, full, _ = three
    with pytest.raises(
        ModuleLookupError, match=rf"{lora} has none of .* \(key\); it has: query, value"
    ):
        ll.report(lora, full, out=tmp_path / "r.html", base=three[0].parent / "base", module="key")
