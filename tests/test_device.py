"""On a GPU everything gives what it gives on the CPU, by one that refuses what CUDA refuses; see `pretend_gpu`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_config, write_tensors
from every_question import NAMES, answered, given, takes
from pretend_gpu import GeneratorOnCard, OnCard, PretendGPU
from scipy.linalg import hadamard
from slow_routes import conditioned
from torch import Tensor

import lora_lens as ll
from lora_lens.chance.null_names import NullName
from lora_lens.core.conversions.outliers import rescaled_bases
from lora_lens.core.factors import subspace_iteration
from lora_lens.core.factors.subspace_iteration import leading_pair, shared_directions
from lora_lens.core.many_adapters.captured_by_chance import uniform_rows
from lora_lens.core.shared import chebyshev, refits, refits_of_theta
from lora_lens.core.shared.chebyshev import leading_eigenvectors
from lora_lens.core.solving import factoring
from lora_lens.core.solving.factoring import factor
from lora_lens.core.solving.refined import RefinedSolver, refined
from lora_lens.core.solving.ridge import ridged
from lora_lens.core.solving.solvers import PseudoInverseSolver, SquareSolver
from lora_lens.errors import LensError
from lora_lens.report.speed import measured_speed
from lora_lens.subspaces.device import select_device

NULLS = ("gaussian", "propagated", "mismatched", "initialisation", "equivalent", "flipped")
RANK = 3


class Kind(NamedTuple):
    """An adapter's layers, and what their W0 are like."""

    rows: int = 16
    columns: int = 16
    layers: int = 3
    condition: float = 50.0
    singular: bool = False
    dora: bool = False
    outlying: bool = False
    alike: bool = False


KINDS = {
    "square": Kind(),
    "wide": Kind(columns=24),
    "tall": Kind(rows=24),
    "ill": Kind(condition=1e6),
    "singular": Kind(singular=True),
    "dora": Kind(dora=True),
    "alike": Kind(alike=True),
    "outlying": Kind(outlying=True),
    "outlying, wide": Kind(columns=24, outlying=True),
    "deep": Kind(rows=32, columns=32, layers=12),  # as many rows as are iterated
}


def write(folder: Path, kind: Kind) -> None:
    """A base, and two adapters on it."""
    rng = np.random.default_rng(0)
    shape = BertLike(layers=kind.layers, width=kind.columns, rank=RANK, modules=("value",))
    paths = [shape.path(layer, "value") for layer in range(kind.layers)]
    w0 = [conditioned(kind.rows, kind.columns, kind.condition, rng) for _ in paths]
    if kind.singular:
        w0[1][:, -1] = w0[1][:, 0]
    if kind.outlying:
        for w in w0:
            w[:, 3] /= 50
    if kind.alike:  # in singular values, exactly
        w0 = [rng.permutation(hadamard(kind.rows)).astype(float) for _ in paths]
    write_base(folder / "base", shape, {f"{path}.weight": single(w) for path, w in zip(paths, w0, strict=True)})  # fmt: skip
    for name in ("one", "other"):
        tensors = {}
        for path in paths:
            names = f"base_model.model.bert.{path}.lora_"
            tensors[f"{names}A.weight"] = single(rng.standard_normal((RANK, kind.columns)))
            tensors[f"{names}B.weight"] = single(rng.standard_normal((kind.rows, RANK)))
            if kind.dora:
                tensors[f"{names}magnitude_vector"] = single(rng.uniform(1, 2, kind.rows))
        write_tensors(folder / name, tensors)
        write_config(folder / name, base=str(folder / "base"), r=RANK, use_dora=kind.dora)


def single(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).float()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("on-a-card")
    for name, kind in KINDS.items():
        write(found / name, kind)
    for step in (1, 2):  # of a run
        (found / "square" / "run").mkdir(exist_ok=True)
        (found / "square" / "run" / f"checkpoint-{step}").symlink_to(found / "square" / ("one", "other")[step - 1])  # fmt: skip
    return found


def flat(x: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(x, Mapping):
        for name, one in x.items():
            yield from flat(one, f"{at}/{name}")
    elif isinstance(x, list | tuple):
        for k, one in enumerate(x):
            yield from flat(one, f"{at}/{k}")
    else:
        yield at, x


def agree(found: Any, expected: Any) -> None:
    """To 1e-6, and to 1e-4 of what null draws scatter: these are in float32."""
    numbers, wanted = dict(flat(found)), dict(flat(expected))
    assert numbers.keys() == wanted.keys()
    for at, one in wanted.items():
        if isinstance(one, float) and math.isfinite(one):
            drawn = any(part in at for part in ("/z", "excess", "quantile"))
            assert numbers[at] == pytest.approx(one, rel=1e-4 if drawn else 1e-6, abs=1e-4 if drawn else 1e-6), at  # fmt: skip
        elif not isinstance(one, float):
            assert numbers[at] == one, at
        else:
            assert str(numbers[at]) == str(one), at


def similarity(folder: Path, *, of: str = "one", **options: Any) -> Any:
    options = {"nulls": NULLS, "draws": 6, "convention": "consistent"} | options
    return ll.conversion_similarity(folder / of, "value", **options)


def shared(folder: Path, **options: Any) -> Any:
    options = {"draws": 6, "convention": "consistent"} | options
    return ll.shared_subspace(folder / "one", "value", **options)


def with_other(folder: Path, **options: Any) -> Any:
    return shared(folder, other=folder / "other", **options)


def compare(folder: Path, **options: Any) -> Any:
    return ll.compare(folder / "one", folder / "other", "value", draws=6, **options)


def grid(folder: Path, **options: Any) -> Any:
    return ll.rank_grids(folder / "one", folder / "other", "value", draws=6, **options)


def grid_of_one(folder: Path, **options: Any) -> Any:
    return ll.rank_grids(folder / "one", None, "value", draws=6, **options)


def amplification(folder: Path, **options: Any) -> Any:
    return ll.amplification(folder / "one", "value", **options)


def magnitude(folder: Path, **options: Any) -> Any:
    return ll.magnitude_and_direction(folder / "one", "value", draws=5, **options)


def spectrum(folder: Path, **options: Any) -> Any:
    return ll.spectrum(folder / "one", "value", base=folder / "base", draws=3, **options)


def suggested(folder: Path, **options: Any) -> Any:
    return ll.suggest_ranks(folder / "one", **options)


def matrix_of_a(folder: Path, **options: Any) -> Any:
    both = [folder / "one", folder / "other"]
    return ll.adapter_matrix(both, "value", matrix="A", draws=6, **options)


def outliers(folder: Path, **options: Any) -> Any:
    options = {"draws": 6, "convention": "consistent"} | options
    return ll.outliers(folder / "one", "value", **options)


# Beside every question of `QUESTIONS` with its defaults: other adapters, other options.
ASKED: dict[str, tuple[str, Callable[..., Any]]] = {
    "similarity": ("square", similarity),
    "similarity, stored, of the right side": ("square", partial(similarity, convention="stored", side="right", i=2, j=3)),
    "similarity, a ridge": ("square", partial(similarity, ridge=0.1)),
    "similarity, a ridge, singular": ("singular", partial(similarity, ridge=0.1)),
    "similarity, wide": ("wide", similarity),
    "similarity, tall": ("tall", similarity),
    "similarity, ill-conditioned": ("ill", similarity),
    "similarity, singular": ("singular", similarity),
    "similarity, in little memory": ("deep", partial(similarity, memory="70MB", nulls="propagated")),
    "shared": ("square", shared),
    "shared, narrow": ("deep", partial(shared, width=2)),
    "shared, beside another": ("wide", with_other),
    "shared, singular": ("singular", partial(shared, matrices="B")),
    "compare": ("square", compare),
    "compare, DoRA": ("dora", compare),
    "compare, wide": ("wide", compare),
    "grid": ("square", grid),
    "grid of one": ("tall", grid_of_one),
    "grid, DoRA": ("dora", grid),
    "amplification": ("wide", amplification),
    "amplification, DoRA": ("dora", amplification),
    "magnitude": ("wide", magnitude),
    "magnitude, DoRA": ("dora", magnitude),
    "spectrum": ("square", spectrum),
    "spectrum, DoRA": ("dora", spectrum),
    "suggested ranks": ("tall", suggested),
    "matrix of A": ("square", matrix_of_a),
    "outliers": ("deep", outliers),
    "outliers, of some": ("outlying", outliers),
    "outliers, of some, stored": ("outlying", partial(outliers, convention="stored")),
    "outliers, of some, wide": ("outlying, wide", outliers),
    "shared, W0's values alike": ("alike", shared),
    "compare, W0's values alike": ("alike", compare),
    "outliers of A": ("square", partial(outliers, matrix="A")),
    "outliers, untrained": ("square", partial(outliers, untrained=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if takes(name, "device")])
def test_every_question_s_answer_is_the_cpus(name: str, root: Path, card: PretendGPU) -> None:
    drawn = {"draws": 6} if takes(name, "draws") else {}
    is_the_cpus(partial(answered, name, given(name, root / "square"), **drawn), card)


@pytest.mark.filterwarnings("ignore::lora_lens.RankDeficientWarning")
@pytest.mark.parametrize("name", ASKED)
def test_an_answer_is_the_cpus(name: str, root: Path, card: PretendGPU) -> None:
    where, ask = ASKED[name]
    is_the_cpus(partial(ask, root / where), card)


def is_the_cpus(ask: Callable[..., Any], card: PretendGPU) -> None:
    expected = ask(device="cpu").to_dict()
    assert not card.computed
    found = ask(device="cuda")
    assert card.computed > 10
    agree(found.to_dict(), expected)


def test_w0_travels_in_its_own_dtype_by_pinned_pages(card: PretendGPU) -> None:
    layers = [torch.randn(4, 4).to(torch.bfloat16) for _ in range(3)]
    where = select_device("cuda", "float64")
    stacked = where.stack(layers)
    assert (card.pinned, stacked.device, stacked.dtype) == (3, card.device, torch.float64)
    assert torch.equal(stacked.cpu(), torch.stack(layers).double())


def test_where_no_page_is_left_to_pin_it_travels_without(
    card: PretendGPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA error: out of memory")

    layer = torch.randn(4, 4)
    monkeypatch.setattr(torch, "empty_like", refused)
    stacked = select_device("cuda", "float64").stack([layer])
    assert card.pinned == 0
    assert torch.equal(stacked[0].cpu(), layer.double())


def test_every_null_is_asked_for() -> None:
    assert set(NULLS) == set(NullName.__args__)


def test_auto_is_the_card(root: Path, card: PretendGPU) -> None:
    amplification(root / "square")
    assert card.computed


@pytest.mark.filterwarnings("ignore::lora_lens.RankDeficientWarning")
@pytest.mark.parametrize("where", ["square", "ill", "singular"])
def test_refinement_in_float32(
    where: str, root: Path, card: PretendGPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of W0 as wide as it is tried for, and those whose condition does not allow it."""
    monkeypatch.setattr(factoring, "FROM", 8)
    ask = partial(similarity, root / where, nulls="propagated")
    agree(ask(device="cuda").to_dict(), ask(device="cpu").to_dict())


@pytest.mark.parametrize(("amplified", "rounds"), [(1e3, 4), (3.95, 4), (1e3, 0)])
def test_refits_of_theta_itself(
    amplified: float, rounds: int, root: Path, card: PretendGPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of some layers by their rows, whose inverse is large; and decomposed, where no rounds suffice."""
    monkeypatch.setattr(refits, "theta_costs_less", lambda *_: True)
    monkeypatch.setattr(refits_of_theta, "_AMPLIFIED", amplified)
    monkeypatch.setattr(chebyshev, "_ROUNDS", rounds)
    ask = partial(shared, root / "deep", matrices="B")
    agree(ask(device="cuda").to_dict(), ask(device="cpu").to_dict())


def w0_of(condition: float, *shape: int, lacking: int = 0) -> Tensor:
    rng = np.random.default_rng(1)
    w0 = np.stack([conditioned(*shape, condition, rng) for _ in range(2)])
    w0[:, :, shape[1] - lacking :] = 0
    return torch.from_numpy(w0)


@pytest.mark.parametrize(
    ("w0", "computing", "kind"),
    [
        (w0_of(10, 20, 20), None, SquareSolver),
        (w0_of(10, 20, 20).float(), torch.float64, RefinedSolver),
        (w0_of(1e6, 20, 20).float(), torch.float64, SquareSolver),
        (w0_of(10, 20, 20, lacking=3), None, PseudoInverseSolver),
        (w0_of(10, 20, 20, lacking=3).float(), torch.float64, PseudoInverseSolver),
        (w0_of(10, 30, 20), None, None),
        (w0_of(10, 20, 30), None, None),
        (w0_of(10, 30, 20, lacking=3), None, PseudoInverseSolver),
    ],
)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_solving(
    w0: Tensor, computing: torch.dtype | None, kind: type | None, ridge: float, card: PretendGPU
) -> None:
    generator = torch.Generator().manual_seed(2)
    sides = [torch.randn(2, n, 4, generator=generator).double() for n in w0.shape[-2:]]
    here, there = (
        factor(x, 1.2e-7, computing) for x in (w0, w0.to(card.device))
    )  # fmt: skip
    assert kind is None or isinstance(there.solver, kind)
    if ridge:
        here, there = ridged(here, ridge), ridged(there, ridge)
    for b, name in zip(sides, ("solve", "solve_transposed"), strict=True):
        found = getattr(there.converting, name)(b.to(card.device))
        assert isinstance(found, OnCard)
        torch.testing.assert_close(found.cpu(), getattr(here.converting, name)(b), rtol=1e-6, atol=1e-6)  # fmt: skip
    assert there.rank.tolist() == here.rank.tolist()
    torch.testing.assert_close(there.condition.cpu(), here.condition, rtol=1e-2, atol=0)


def test_what_does_not_converge_is_solved_in_float64(card: PretendGPU) -> None:
    w0, b = w0_of(1e8, 20, 20), torch.ones(2, 20, 1, dtype=torch.float64)
    found = refined(w0.float().to(card.device)).solve(b.to(card.device))
    torch.testing.assert_close(found.cpu(), torch.linalg.solve(w0.float().double(), b), rtol=1e-5, atol=0)  # fmt: skip


X, Y = (torch.randn(3, 12, 4, generator=torch.Generator().manual_seed(k)) for k in (3, 4))
W0 = w0_of(10, 12, 12).float()[0]


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, y, _: ll.phi(x, y, 4),
        lambda x, y, _: ll.phi(x, y, 2, 3, side="left"),
        lambda x, y, _: ll.phi(x.bfloat16(), y.bfloat16(), 4),
        lambda x, y, _: ll.phi(list(x), list(y), 4),
        lambda x, y, _: ll.phi_matrix(x, y, i=4, j=2),
        lambda x, _, __: ll.phi_matrix(x, i=4),
        lambda x, y, _: ll.phi_grid(x, y),
        lambda x, y, _: ll.principal_angles(x, y, 4),
        lambda x, y, _: ll.product_svd(x, y.mT).s,
        lambda x, y, w0: ll.conversion_matrices(w0, x.mT, y).a,
        lambda x, y, w0: ll.conversion_matrices(w0, x.mT, y, convention="consistent").b,
        lambda x, y, w0: ll.conversion_matrices(w0[:, :9], x.mT[..., :9], y).b,
        lambda x, y, w0: ll.conversion_matrices(w0[:9], x.mT, y[:, :9]).condition_number,
        lambda x, y, w0: ll.conversion_matrices(w0.double(), x.mT, y).condition_number,
    ],
)
def test_kernels_stay_on_the_card(compute: Callable[..., Tensor], card: PretendGPU) -> None:
    found = compute(*(x.to(card.device) for x in (X, Y, W0)))
    assert isinstance(found, OnCard)
    torch.testing.assert_close(found.cpu(), compute(X, Y, W0), rtol=1e-5, atol=1e-6)


GRAM = torch.cov(torch.randn(40, 60, generator=torch.Generator().manual_seed(5)).double())


@pytest.mark.parametrize(
    ("compute", "monkeyed"),
    [
        (lambda gram: leading_eigenvectors(gram[None], 2, tolerance=1e-9).mT, ()),
        (lambda gram: leading_eigenvectors(gram[None], 12).mT, ()),
        (lambda gram: shared_directions(gram, 3), ("_DENSE", 8)),
        (lambda gram: leading_pair(gram[:, :30], 3, rounds=60)[1], ("_SMALL", 8)),
    ],
)
def test_subspaces_are_iterated_there(
    compute: Callable[[Tensor], Tensor],
    monkeyed: tuple[str, int],
    card: PretendGPU,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if monkeyed:
        monkeypatch.setattr(subspace_iteration, *monkeyed)
    found = compute(GRAM.to(card.device))
    assert isinstance(found, OnCard)
    torch.testing.assert_close(found.cpu().abs(), compute(GRAM).abs(), rtol=0, atol=1e-4)


def test_rescaled_columns_of_a_w0_without_full_rank(card: PretendGPU) -> None:
    bases, columns = torch.linalg.qr(X.double()).Q, torch.tensor([1, 5])
    reached = torch.linalg.qr(Y.double()).Q[..., :2]
    scale = torch.tensor([[0.5, 2.0]] * 3, dtype=torch.float64)  # of norms, which are the CPU's
    there = (x.to(card.device) for x in (bases, columns))
    found = rescaled_bases(*there, scale, reached.to(card.device))
    torch.testing.assert_close(found.cpu(), rescaled_bases(bases, columns, scale, reached))


def test_on_several_devices_is_an_error_in_a_line(card: PretendGPU) -> None:
    there = X.to(card.device)
    with pytest.raises(LensError, match=r"x on cuda:0, y on cpu; expected all on one device"):
        ll.phi(there, Y, 4)
    with pytest.raises(LensError, match=r"W0 on cpu, A on cuda:0, B on cuda:0; expected all on"):
        ll.conversion_matrices(W0, there[0].mT, there[0])
    with pytest.raises(LensError, match="a list of tensors that are not alike"):
        ll.phi([there[0], X[1]], Y[:2], 4)


def test_a_generator_of_the_card_draws(card: PretendGPU) -> None:
    drawn = ll.gaussian_samples(12, 3, draws=5, generator=GeneratorOnCard().manual_seed(0))
    assert type(drawn) is Tensor
    assert drawn.shape == (5,)


def test_draws_are_where_the_weights_are(card: PretendGPU) -> None:
    weights = torch.tensor([[0.75, 0.25]], dtype=torch.float64)
    here, there = (uniform_rows(5, x, torch.Generator().manual_seed(0)) for x in (weights, weights.to("cuda")))  # fmt: skip
    torch.testing.assert_close(there.cpu(), here)


def test_a_default_device_changes_nothing(card: PretendGPU) -> None:
    with torch.device("cuda"):
        assert torch.equal(ll.phi(X, Y, 4), ll.phi(X.to(card.device), Y.to(card.device), 4).cpu())
        generator = torch.Generator("cpu").manual_seed(0)
        assert ll.gaussian_samples(12, 3, draws=5, generator=generator).device.type == "cpu"


def test_its_speed_is_measured(card: PretendGPU) -> None:
    assert min(measured_speed(card.device)) > 0
    assert card.computed > 10


def test_a_survey_has_no_use_for_it(root: Path, card: PretendGPU, tmp_path: Path) -> None:
    folders = [root / "square" / name for name in ("one", "other")]
    assert ll.survey(folders, tmp_path / "survey").adapters == 2
    assert not card.computed
