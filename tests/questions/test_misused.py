"""What is asked of a result or of a function in a wrong way is an error of one line, as users have it: without type checks."""

import random
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lora_lens import (
    compare,
    conversion_similarity,
    demo_adapter,
    dynamics,
    export_lora,
    inspect,
    load_adapter,
    plots,
    rank_grids,
    shared_subspace,
    spectrum,
)
from lora_lens.errors import LensError, ResultLookupError
from lora_lens.questions import inventory
from lora_lens.questions.question import Question

_WRONG = """
import lora_lens as ll
adapter = ll.load_adapter(ll.demo_adapter("lora"))
for name, wrong in (
    ("rank", {"rank": "4"}), ("rank", {"rank": 2.5}), ("i", {"i": 4.0}), ("j", {"j": "4"}),
    ("draws", {"draws": 2.5}), ("seed", {"seed": "0"}), ("width", {"width": 2.5}),
):
    functions = [ll.shared_subspace] if name == "width" else [ll.conversion_similarity]
    functions += [ll.shared_subspace] * (name in ("rank", "draws", "seed"))
    for ask in functions:
        try:
            ask(adapter, "value", **wrong)
        except ll.LensError as error:
            assert f"{name} is {wrong[name]!r}; expected a whole number" == str(error), error
        else:
            raise SystemExit(f"{name} passed")
print("all refused")
"""


def test_what_is_no_whole_number_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRONG], capture_output=True, text=True, check=False
    )
    assert done.stdout == "all refused\n", done.stderr


def test_what_a_result_has_not_is_named_beside_what_it_has() -> None:
    adapter = load_adapter(demo_adapter("lora"))
    for ask in (conversion_similarity, shared_subspace):
        result = ask(adapter, "value", draws=0)
        with pytest.raises(ResultLookupError, match="no matrix 'C'; it has: A, B") as error:
            result["C"]
        assert isinstance(error.value, KeyError)
        assert "C" not in result
        assert result.get("C") is None
    two = compare(adapter, load_adapter(demo_adapter("condlora")), "value", draws=0)
    with pytest.raises(LensError, match="no matrix 'BA'; it has: A, B, delta"):
        two["BA"]


def test_a_baseline_that_was_not_drawn_is_named() -> None:
    grid = conversion_similarity(demo_adapter("lora"), "value", draws=0)["A"]
    with pytest.raises(ResultLookupError, match="no baseline 'propagated'; it has: gaussian"):
        grid.baseline_mean("propagated")


_LINES = """
import numpy as np
import torch
import lora_lens as ll
lora = ll.load_adapter(ll.demo_adapter("lora"))
other = ll.load_adapter(ll.demo_adapter("condlora"))
generator = torch.Generator().manual_seed(0)
nan = np.full((4, 2), np.nan)
for asked, said in (
    (lambda: ll.conversion_similarity(lora, module=["value"]), "module is ['value']; expected one of this adapter's names: "),
    (lambda: ll.conversion_similarity(lora, module=None), "module is None; expected one of this adapter's names: "),
    (lambda: ll.spectrum(lora, ["value"], beside_w0=False), "module is ['value']; expected one of this"),
    (lambda: ll.spectrum(lora, ks=[1.5]), "ks is [1.5]; expected whole numbers"),
    (lambda: ll.spectrum(lora, ks="5"), "ks is '5'; expected whole numbers"),
    (lambda: ll.spectrum(lora, epsilons="0.5"), "ε is '0.5'; expected thresholds above 0 and at most 1"),
    (lambda: ll.spectrum(lora, epsilons=[2]), "ε is [2]; expected thresholds above 0 and at most 1"),
    (lambda: ll.spectrum(lora, draws=1.5), "draws is 1.5; expected a whole number"),
    (lambda: ll.spectrum(lora, energy=".9"), "the share of energy is '.9'; expected above 0"),
    (lambda: ll.rank_grids(lora, other, layers="x"), "layers is 'x'; expected whole numbers"),
    (lambda: ll.gaussian_samples(384, 8, draws=-1, generator=generator), "draws is -1; expected 0 or more"),
    (lambda: ll.gaussian_samples(384, 8, draws=5, generator=0), "generator is 0; expected one of torch's"),
    (lambda: ll.gaussian_baseline("384", 8), "d is '384'; expected a whole number"),
    (lambda: ll.gaussian_baseline(384.5, 8), "d is 384.5; expected a whole number"),
    (lambda: ll.report(lora, made="2020", progress=lambda *_: exit("it began")), "made is '2020'; expected a datetime.date"),
    (lambda: ll.product_svd(nan, nan.T), "b holds NaN or infinite values"),
    (lambda: ll.product_svd(torch.from_numpy(nan), torch.from_numpy(nan.T)), "b holds NaN or infinite"),
    (lambda: ll.product_svd(np.ones((4, 2)), torch.ones(2, 4)), "b is a NumPy array and a a torch tensor of torch.float32"),
    (lambda: ll.product_svd(torch.ones(4, 2).double(), torch.ones(2, 4)), "b is a torch tensor of torch.float64"),
):
    try:
        asked()
    except ll.LensError as error:
        assert str(error).startswith(said) and "\\n" not in str(error), error
    else:
        raise SystemExit(f"passed: {said}")
same = [ll.rank_grids(lora, other, layers=one, matrices=["A"], draws=0) for one in (3, [3])]
assert [[g.layer for g in one.grids] for one in same] == [[3], [3]]
one = ll.spectrum(lora, "value", ks=5, epsilons=0.5, draws=0)
assert (one.ks, one.epsilons) == ((5,), (0.5,)), one
w0, a, b = torch.eye(3).expand(2, 3, 3) * 2, torch.ones(2, 1, 3), torch.ones(2, 3, 1)
found = ll.conversion_matrices(list(w0), list(a.requires_grad_()), list(b))
assert torch.equal(found.b, ll.conversion_matrices(w0, a, b).b)
print("all refused")
"""


def test_wrong_arguments_are_a_line_and_one_value_is_a_list_of_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LINES], capture_output=True, text=True, check=False
    )
    assert done.stdout == "all refused\n", done.stderr


def test_a_plot_of_a_part_says_where_the_part_is() -> None:
    lora = load_adapter(demo_adapter("lora"))
    alike = conversion_similarity(lora, "value", draws=0)
    for plot in (plots.heatmap, plots.excess_heatmap):
        with pytest.raises(LensError, match=r'LayerGrid, result\["A"\]; .* a SimilarityResult'):
            plot(alike)  # type: ignore[arg-type]
    shared = shared_subspace(lora, "value", draws=0)
    for draw in (
        plots.shared_layer_plot, plots.shared_eigenvalue_plot, plots.shared_width_plot,
    ):  # fmt: skip
        with pytest.raises(LensError, match=r'SharedSubspace, result\["A"\]; .* a SharedResult'):
            draw(shared)  # type: ignore[arg-type]
    with pytest.raises(LensError, match=r'Predicted, result\["B"\]\.predicted; .* SharedResult'):
        plots.shared_predicted_plot(shared)  # type: ignore[arg-type]
    grids = rank_grids(lora, load_adapter(demo_adapter("condlora")), "value", draws=0)
    with pytest.raises(LensError, match=r"RankGrid, result\.grids\[0\]; .* a RankGrids"):
        plots.ij_heatmap(grids)  # type: ignore[arg-type]


_SAID = r"this plot draws an? (list of )?\w+, .+; it was given an? \w+"


@pytest.mark.parametrize("name", plots.__all__)
def test_what_a_plot_does_not_draw_is_a_line(name: str) -> None:
    """Three of ten ended in AttributeError."""
    plot = getattr(plots, name)
    more = ("value", 5) if name == "intruder_heatmap" else ()
    summary = inspect(demo_adapter("lora")).modules[0]
    for given in (summary, "result", {"A": 1}, 0.5, None):
        with pytest.raises(LensError) as error:
            plot(given, *more)
        assert re.fullmatch(_SAID, str(error.value))


def test_a_whole_is_asked_for_by_the_function_that_gives_it() -> None:
    alike = conversion_similarity(load_adapter(demo_adapter("lora")), "value", draws=0)
    with pytest.raises(LensError) as error:
        plots.similarity_figure(alike["A"])  # type: ignore[arg-type]
    assert str(error.value) == (
        "this plot draws a SimilarityResult, which conversion_similarity(…) gives; it was given a LayerGrid"
    )


def test_what_there_is_not_is_not_drawn() -> None:
    adapter = load_adapter(demo_adapter("lora"))
    grid = conversion_similarity(adapter, "value", draws=0)["A"]
    spectra = spectrum(adapter, beside_w0=False, draws=0)
    for draw, said in (
        (lambda: plots.excess_heatmap(grid), "no baseline 'propagated'; it has: gaussian"),
        (
            lambda: plots.heatmap(grid, baseline="propgated"),
            "no baseline 'propgated'; it has: gaussian",
        ),
        (lambda: plots.intruder_figure(spectra), "no module was put beside W0"),
        (
            lambda: plots.intruder_heatmap(spectra, "value", 10),
            "no layer of value was put beside W0",
        ),
        (lambda: plots.singular_value_plot(()), "a list of Layer, .*; it was given none"),
        (lambda: spectra.of("vale"), "no module 'vale'; it has: query, value"),
        (lambda: load_adapter(""), "the adapter is an empty text"),
        (lambda: load_adapter(demo_adapter("lora"), base=""), "base is an empty text"),
    ):
        with pytest.raises(LensError, match=said):
            draw()


def test_showing_a_result_leaves_pythons_random_numbers() -> None:
    """rich draws some as it is imported."""
    shown = (
        "import random, lora_lens as ll\\n"
        "result = ll.inspect(ll.demo_adapter('lora'))\\n"
        "random.seed(0); result._repr_html_(); print(random.random())"
    ).replace("\\n", "\n")
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout == f"{random.Random(0).random()}\n"


def test_what_others_draw_while_a_part_is_looked_up_is_not_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts that are loaded are looked up all the time, as by a thread beside one that draws."""
    inventory.QUESTION.part("words")
    drawn = []

    def meanwhile(name: str) -> ModuleType:
        drawn.append(random.random())
        return sys.modules[name]

    monkeypatch.setattr(f"{Question.__module__}.import_module", meanwhile)
    for _ in range(2):
        inventory.QUESTION.part("words")
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("path", [None, 3, ["a"], b"x"])
def test_what_is_no_path_is_an_error(path: Any, tmp_path: Path) -> None:
    for ask in (dynamics, lambda one: export_lora(one, tmp_path / "out")):
        with pytest.raises(LensError, match="expected a path"):
            ask(path)
