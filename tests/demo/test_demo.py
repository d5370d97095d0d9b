"""The bundled adapters: real, as their card says, and analysed offline."""

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from slow_routes import slow_conversions, slow_grid
from typer.testing import CliRunner

from lora_lens import (
    conversion_similarity,
    demo_adapter,
    load_adapter,
    open_base,
    shared_subspace,
)
from lora_lens.chance.null_names import WITHOUT_SVD
from lora_lens.cli import app
from lora_lens.errors import BaseModelError
from lora_lens.files import locate
from lora_lens.questions import comparison, shared
from lora_lens.questions.answer import Answer
from lora_lens.questions.shared.result import SharedResult

ROOT = Path(__file__).parents[2]


@pytest.fixture
def afresh() -> Iterator[None]:
    """Look for the extra anew, and again afterwards."""
    locate._demo_folder.cache_clear()
    yield
    locate._demo_folder.cache_clear()


class Demo(NamedTuple):
    """What the command leaves, prints, and has asked of one module of one adapter, or of both."""

    out: Path
    printed: str
    asked: dict[tuple[str, ...], Answer]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    out = tmp_path_factory.mktemp("demo") / "out"
    asked: dict[tuple[str, ...], Answer] = {}
    with pytest.MonkeyPatch.context() as patch:
        for question in (shared.QUESTION, comparison.QUESTION):
            patch.setattr(
                question.part("analysis"), question.function, keeping(question.ask, asked)
            )
        result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["demo", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return Demo(out, result.stdout, asked)


def keeping(
    ask: Callable[..., Answer], asked: dict[tuple[str, ...], Answer]
) -> Callable[..., Answer]:
    """The same function, which keeps what is asked with its own draws: the report's are others."""

    @wraps(ask)
    def kept(*given: Any, **options: Any) -> Answer:
        answer = ask(*given, **options)
        if "draws" not in options:
            asked[tuple(getattr(one, "method", one) for one in given if one != 8)] = answer
        return answer

    return kept


@pytest.mark.parametrize("method", ["lora", "condlora"])
@pytest.mark.parametrize("module", ["query", "value"])
@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_equals_the_released_algorithm_in_float64(
    method: str, module: str, convention: str
) -> None:
    adapter = load_adapter(demo_adapter(method))
    factors = adapter.modules[module]
    weights = open_base(adapter.base_model)
    w0 = np.stack([weights.w0(factors, layer).double().numpy() for layer in range(6)])
    a, b = factors.a.double().numpy(), factors.b.double().numpy()
    conversions = [slow_conversions(*layer, convention) for layer in zip(w0, a, b, strict=True)]
    for side in ("left", "right"):
        result = conversion_similarity(
            adapter, module, 8, side=side, convention=convention, draws=0
        )
        for matrix, grid in result.items():
            expected = slow_grid([found[matrix] for found in conversions], 8, 8, side)
            np.testing.assert_allclose(grid.values, expected, atol=1e-6)


@pytest.mark.parametrize("module", ["query", "value"])
def test_condlora_is_alike_in_all_layers(module: str) -> None:
    adapter = load_adapter(demo_adapter("condlora"))
    for grid in conversion_similarity(adapter, module, convention="consistent", draws=0).values():
        np.testing.assert_allclose(grid.values, 1, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "convention", "mean", "worst"),
    [("query", "stored", 0.027, 0.039), ("value", "stored", 0.056, 0.10), ("query", "consistent", 0.019, None), ("value", "consistent", 0.020, None)],
)  # fmt: skip
def test_propagated_baseline_of_the_real_base(
    module: str, convention: str, mean: float, worst: float | None
) -> None:
    """Known answers, measured independently on all-MiniLM-L6-v2 (to their two or three digits)."""
    adapter = load_adapter(demo_adapter("lora"))
    result = conversion_similarity(adapter, module, 8, convention=convention, draws=200)
    grid = result["A" if convention == "consistent" else "B"]
    propagated = grid.baselines["propagated"]
    assert grid.baseline_mean("propagated") == pytest.approx(mean, abs=0.0012)
    if worst is not None:
        off = propagated.mean[~np.eye(6, dtype=bool)]
        assert off.max() == pytest.approx(worst, abs=0.006)
    assert grid.baselines["gaussian"].mean == pytest.approx(0.0208, abs=5e-5)


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_it_really_learned_and_says_how(method: str) -> None:
    record = json.loads((demo_adapter(method) / "run.json").read_text())
    assert record["metric"] == "pearson"
    assert record["majority_score"] == 0
    assert record["test_score"] > 0.8
    assert record["settings"]["method"] == method
    card = (demo_adapter(method).parent / "CARD.md").read_text()
    assert f"{record['test_score']:.4f}" in card
    assert f"{record['development_score']:.4f}" in card
    assert f"{record['settings']['learning_rate']:.3g}" in card
    run = f"stsb-{method}-{record['settings']['seed']}"
    assert run in card
    shipped = ROOT / "docs" / "results" / "minilm" / "runs" / run / "run.json"
    assert json.loads(shipped.read_text()) == record


def test_demo_prints_five_lines_and_leaves_a_figure_a_table_and_a_page(
    demo: Demo,
) -> None:
    out, printed, _ = demo
    assert {path.name for path in out.iterdir()} == {
        "figure1.png", "figure1.svg", "figure1.pdf", "table3.md", "index.html",
    }  # fmt: skip
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "LoRA query", "LoRA value", "CondLoRA value", "Figure 1 value", "Table 3 value",
    ]  # fmt: skip
    assert all(len(line) <= 80 for line in lines)
    assert textwrap.indent(printed, "    ") in (ROOT / "README.md").read_text()


def test_the_page_has_both_adapters(demo: Demo) -> None:
    page = (demo.out / "index.html").read_text()
    for method in ("lora", "condlora"):
        assert "sha256" in page
        assert str(demo_adapter(method).name) in page


def test_what_is_said_of_the_report_and_of_the_other_seeds(demo: Demo) -> None:
    page = (demo.out / "index.html").read_text()
    assert "5 of 8 tests find more than chance" in page
    assert "Not counted: 4 shares that are 1 by construction" in page
    assert "399 draws" in page
    assert "p = 0.020, corrected for 8 tests), B in layer 4 by itself" in page
    text = " ".join((ROOT / "docs" / "demo.md").read_text().split())
    runs = ROOT / "docs" / "results" / "minilm" / "runs"
    others = [
        json.loads((runs / f"stsb-{method}-{seed}" / "evaluation.json").read_text())["score"]
        for method in ("lora", "condlora")
        for seed in (0, 2)
    ]
    said = "{:.3f} and {:.3f} by LoRA, and {:.3f} and {:.3f} by CondLoRA"
    assert said.format(*others) in text


@pytest.fixture(scope="module")
def answers(demo: Demo) -> dict[str, Answer]:
    """What the demo's page shows: what the demo has asked, and what it has not as the page says."""
    lora, condlora = (load_adapter(demo_adapter(method)) for method in ("lora", "condlora"))
    assert set(demo.asked) == {
        ("lora", "query"), ("lora", "value"), ("condlora", "value"), ("lora", "condlora", "value"),
    }  # fmt: skip
    found = {
        f"{method}, shared layer: {module}": answer
        for (method, *_, module), answer in demo.asked.items()
        if isinstance(answer, SharedResult)
    }
    found["condlora, shared layer: query"] = shared_subspace(condlora, "query")
    found["lora, stored: value"] = conversion_similarity(
        lora, "value", 8, convention="stored", nulls=WITHOUT_SVD
    )
    found["lora and condlora: value"] = demo.asked["lora", "condlora", "value"]
    return found


def test_the_pages_numbers_are_the_demos(answers: dict[str, Answer]) -> None:
    text = (ROOT / "docs" / "demo.md").read_text()
    for label, answer in answers.items():
        assert f"- {label.removesuffix('query').removesuffix('value')}{answer.summary}" in text
    for label, which in (("lora, stored: value", 0), ("lora and condlora: value", 1)):
        # Of the comparison the second table, which is the paper's.
        _, *tables = answers[label].to_markdown().split("\n\n**")
        table = re.findall(r"(?m)^\|.*$", tables[which])
        assert table
        for row in table:
            assert row in text


def test_the_shipped_pair_is_analysed_without_a_network() -> None:
    result = CliRunner().invoke(app, ["similarity", str(demo_adapter("lora")), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["base"] == locate.DEMO_BASE


def test_other_weights_in_the_extra_are_refused(
    afresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "DEMO_BASE_SHA256", "0" * 64)
    with pytest.raises(BaseModelError, match="expected 000000000000"):
        locate.local_folder(locate.DEMO_BASE)


def test_without_the_extra_the_hub_is_named(
    afresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locate, "DEMO_PACKAGE", "no_such_package")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "lora-lens[demo]" in result.stderr
    assert not (tmp_path / "out").exists()
