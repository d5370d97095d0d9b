import numpy as np
import pytest
import torch
from slow_routes import conditioned_batch
from torch import Tensor

from lora_lens.core.numbers.precision import singular_cutoff
from lora_lens.core.solving.condition import condition_number
from lora_lens.core.solving.factoring import factor
from lora_lens.core.solving.lanczos import largest_singular_value
from lora_lens.core.solving.norms import inverse_norm_of
from lora_lens.core.solving.refined import FROM, RefinedSolver, refined
from lora_lens.core.solving.solvers import SquareSolver

F64 = singular_cutoff(torch.float64, torch.float64, (30, 30))


@pytest.mark.parametrize(("rows", "columns"), [(30, 30), (40, 30), (30, 40), (3, 3), (1, 4)])
def test_condition_numbers_equal_numpy(rows: int, columns: int) -> None:
    w0 = conditioned_batch(rows, columns, (1.0, 1e2, 1e6))
    got = condition_number(factor(torch.from_numpy(w0), F64))
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-7)


def test_condition_number_of_a_plain_gaussian_whose_top_is_crowded() -> None:
    w0 = np.random.default_rng(3).standard_normal((4, 200, 200))
    got = condition_number(factor(torch.from_numpy(w0), F64))
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-9)


def test_lanczos_finds_a_degenerate_norm() -> None:
    m = torch.eye(9, dtype=torch.float64)[None] * 3
    value = largest_singular_value(lambda v: m.mT @ (m @ v), m, tolerance=1e-10)
    assert value.item() == pytest.approx(3, rel=1e-12)


def test_condition_numbers_where_the_krylov_space_is_soon_exhausted() -> None:
    few = np.stack([np.eye(40), np.diag([1.0] * 39 + [1e-3]), np.diag([2.0] * 20 + [1.0] * 20)])
    got = condition_number(factor(torch.from_numpy(few), F64))
    np.testing.assert_allclose(got, [1, 1e3, 2], rtol=1e-9)
    big = condition_number(factor(torch.eye(384, dtype=torch.float64)[None], F64))
    assert big.item() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("condition", [2e4, 1e5, 1e6])
@pytest.mark.parametrize("alike", [0.0, 1e-12, 1e-8])
def test_condition_numbers_of_one_above_many_alike(condition: float, alike: float) -> None:
    """Of four vectors, the inverse makes one new direction; the rest of what it makes is rounding."""
    rng = np.random.default_rng(11)
    u, _, vh = np.linalg.svd(rng.standard_normal((96, 96)))
    w0 = (u * np.r_[condition, 1 + alike * rng.random(95)]) @ vh
    got = condition_number(factor(torch.from_numpy(w0)[None], F64))
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-7)


@pytest.mark.parametrize("spectrum", ["gaussian", "even", "one outlier", "four tiny"])
@pytest.mark.parametrize("rows", [600, 800])
def test_two_digits_of_a_wide_one(spectrum: str, rows: int) -> None:
    """Crowded ends are the hard case: there Lanczos comes from below."""
    rng = np.random.default_rng(5)
    w0 = rng.standard_normal((rows, 600))
    if spectrum != "gaussian":
        u, _, vh = np.linalg.svd(w0, full_matrices=False)
        s = np.geomspace(1, 1e-5, 600)
        if spectrum == "one outlier":
            s = np.r_[1.02, np.linspace(1, 0.01, 599)]
        if spectrum == "four tiny":
            s = np.r_[np.linspace(1, 0.1, 596), [1e-5] * 4]
        w0 = (u * s) @ vh
    found = condition_number(factor(torch.from_numpy(w0)[None], F64)).item()
    expected = np.linalg.cond(w0)
    assert 0.97 * expected < found < (1 + 1e-6) * expected


def spectra(n: int) -> dict[str, np.ndarray]:
    """Hard ones for a few steps, of σ_max 1 and σ_min 1e-5, or 1e-3 and 1e-2 of the flat ones' bulk."""
    flat, even = np.ones(n), np.linspace(1, 0.1, n)
    found = {
        "graded": np.geomspace(1, 1e-5, n),
        "steep": np.r_[even[16:], np.geomspace(0.1, 1e-5, 16)],
    }
    found |= {f"flat and {low}": np.r_[flat[1:], low] for low in (0.9, 0.5, 1e-2, 1e-5)}
    found |= {f"{k} alike": np.r_[even[k:], np.full(k, 1e-5)] for k in (1, 4, 16)}
    found |= {f"{k} near": np.r_[even[k:], np.linspace(1e-5, 2e-5, k)] for k in (2, 4, 16)}
    found["even"] = even
    return found | {"half": np.r_[flat[n // 2 :], np.linspace(1e-4, 1e-5, n // 2)]}


@pytest.mark.parametrize("name", spectra(8))
@pytest.mark.parametrize("route", ["float64", "refined"])
def test_two_digits_of_hard_spectra(name: str, route: str) -> None:
    rng = np.random.default_rng(7)
    u, _, vh = np.linalg.svd(rng.standard_normal((600, 600)), full_matrices=False)
    s = spectra(600)[name]
    if route == "refined":  # up to a condition of 1e5
        s = np.maximum(s, 3e-5)
    w0 = torch.from_numpy((u * s) @ vh)[None]
    made = factor(w0, F64) if route == "float64" else factor(w0.float(), 1e-7, torch.float64)
    assert isinstance(made.solver, RefinedSolver) is (route == "refined")
    expected = np.linalg.cond(made.w0.double().numpy())
    assert condition_number(made).item() == pytest.approx(expected, rel=0.03)


def test_which_layers_stand_beside_one_changes_nothing() -> None:
    """How many there are in a chunk depends on memory."""
    rng = np.random.default_rng(13)
    u, _, vh = np.linalg.svd(rng.standard_normal((600, 600)))
    some = [spectra(600)[name] for name in ("even", "flat and 0.9", "4 near", "half", "graded")]
    w0 = torch.from_numpy(
        np.stack([*((u * s) @ vh for s in some), rng.standard_normal((600, 600))])
    )
    together = condition_number(factor(w0, F64))
    alone = torch.cat([condition_number(factor(one[None], F64)) for one in w0])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=0)


def test_one_beside_it_that_needs_float64_changes_nothing() -> None:
    rng = np.random.default_rng(13)
    u, _, vh = np.linalg.svd(rng.standard_normal((600, 600)))
    s = spectra(600)["even"]
    w0 = torch.from_numpy(np.stack([(u * s) @ vh, (u * np.r_[s[:-1], 1e-7]) @ vh]))
    together = condition_number(factor(w0, F64))
    assert together[:1].equal(condition_number(factor(w0[:1], F64)))


@pytest.fixture(scope="module")
def turned() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    drawn = torch.randn(2, FROM, FROM, generator=generator, dtype=torch.float64)
    u, vh = torch.linalg.qr(drawn)[0]
    return u, vh


def of_values(turned: tuple[Tensor, Tensor], least: Tensor) -> tuple[Tensor, float]:
    """A W0 of ones and of these, and its condition number."""
    u, vh = turned
    s = torch.ones(FROM, dtype=torch.float64)
    s[FROM - len(least) :] = least
    w0 = ((u * s) @ vh).float()[None]
    values = torch.linalg.svdvals(w0[0].double())
    return w0, (values[0] / values[-1]).item()


@pytest.mark.parametrize(
    ("alike", "condition"),
    [(FROM // 2, 1e4), (FROM // 2, 3e4), (FROM // 10, 1e4), (FROM // 10, 3e4), (1, 8e4)],
)
def test_two_digits_of_many_alike_that_a_float32_lu_moves(
    turned: tuple[Tensor, Tensor], alike: int, condition: float
) -> None:
    """Of the rounded W0, whose LU is at hand, the condition number is 1 % above it at 1e4 and 4 % at 3e4."""
    w0, expected = of_values(turned, torch.full((alike,), 1 / condition, dtype=torch.float64))
    told: list[str] = []
    made = factor(w0, 1e-7, torch.float64, told.append)
    # At 3e4 a BLAS that rounds otherwise has it more than a twentieth above, and float64 takes over.
    assert isinstance(made.solver, SquareSolver if told else RefinedSolver)
    assert not told or condition == 3e4
    assert condition_number(made).item() == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize("condition", [5e3, 2e4, 5e4, 9e4])
@pytest.mark.parametrize("most", [1.0, 1.1, 1.3, 2.0])
def test_a_crowd_of_least_values(
    turned: tuple[Tensor, Tensor], most: float, condition: float
) -> None:
    """What the rounded W0's inverse magnifies most W0's own does not: where it is another's by more than
    a twentieth, float64 is told of and takes over, and no solver makes an LU of its own later."""
    crowd = torch.linspace(most, 1, FROM // 2, dtype=torch.float64) / condition
    w0, expected = of_values(turned, crowd)
    told: list[str] = []
    made = factor(w0, 1e-7, torch.float64, told.append)
    assert isinstance(made.solver, SquareSolver if told else RefinedSolver)
    assert 0.98 * expected < condition_number(made).item() < 1.01 * expected
    rhs = torch.randn(1, FROM, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    made.solver.solve(rhs)
    made.solver.solve_transposed(rhs)
    assert "_exact" not in vars(made.solver)


def test_neither_a_singular_layer_nor_a_hopeless_one_ends_the_others() -> None:
    rng = np.random.default_rng(6)
    u, _, vh = np.linalg.svd(rng.standard_normal((200, 200)))
    s = np.linspace(1, 0.5, 200)
    w0 = torch.from_numpy(
        np.stack([(u * np.r_[s[:-1], 2e-5]) @ vh, np.zeros((200, 200)), (u * np.r_[s[:-1], 1e-7]) @ vh])
    ).float()  # fmt: skip
    found = inverse_norm_of(refined(w0), w0, 2e-2)
    assert found.norm[0].item() == pytest.approx(
        1 / np.linalg.svd(w0[0].double().numpy())[1][-1], rel=1e-3
    )
    assert found.moved.isinf().tolist() == [False, True, True]
    assert found.norm[1].isinf()


def test_what_is_too_ill_conditioned_is_told_before_it_is_taken_in_float64(
    turned: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And factored so once, not by the float32 LU's own way out, too."""
    u, vh = turned
    s = torch.tensor([1.0, 1e-6], dtype=torch.float64).repeat_interleave(FROM // 2)
    w0 = ((u * s) @ vh).float()[None]
    told: list[str] = []
    monkeypatch.setattr(RefinedSolver, "_exact", None)
    assert isinstance(factor(w0, 1e-7, torch.float64, told.append).solver, SquareSolver)
    assert told == ["float64"]


@pytest.mark.parametrize("side", ["before the first solve", "after it"])
def test_a_weak_direction_that_the_start_lacks_is_found(side: str) -> None:
    """The probes' share of it is taken away, but for what rounding would leave in float32."""
    rng, n = np.random.default_rng(9), 600
    probes = torch.randn(n, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hidden = rng.standard_normal(n)
    hidden -= probes.numpy() @ np.linalg.lstsq(probes.numpy(), hidden, rcond=None)[0] * (1 - 1e-6)
    u = np.linalg.qr(np.c_[hidden, rng.standard_normal((n, n - 1))])[0][:, ::-1]
    vh = np.linalg.qr(rng.standard_normal((n, n)))[0]
    w0 = (u * np.r_[np.linspace(1, 0.1, n - 1), 1e-5]) @ vh
    w0 = w0 if side == "before the first solve" else w0.T
    made = factor(torch.from_numpy(w0)[None], F64)
    assert condition_number(made).item() == pytest.approx(np.linalg.cond(w0), rel=0.01)
