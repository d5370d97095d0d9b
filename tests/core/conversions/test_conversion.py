import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from slow_routes import slow_conversions

from lora_lens import RankDeficientWarning, conversion_matrices
from lora_lens.core.numbers.checked import as_tensors
from lora_lens.core.solving.factoring import factor
from lora_lens.errors import LensError, SingularError


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_public_function_takes_batches_of_float32(convention: str) -> None:
    rng = np.random.default_rng(7)
    w0, a, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((2, 3, 9, 9), (2, 3, 4, 9), (2, 3, 9, 4))
    )
    got = conversion_matrices(*map(torch.from_numpy, (w0, a, b)), convention=convention)
    assert got.condition_number.shape == (2, 3)
    expected = slow_conversions(*(x[1, 2].astype(float) for x in (w0, a, b)), convention)
    np.testing.assert_allclose(got.a[1, 2], expected["A"], rtol=1e-9)
    np.testing.assert_allclose(got.b[1, 2], expected["B"], rtol=1e-9)


def test_public_function_refuses_a_rectangle_under_stored() -> None:
    w0, a, b = torch.eye(3, 4), torch.ones(1, 4), torch.ones(3, 1)
    with pytest.raises(SingularError, match="consistent"):
        conversion_matrices(w0, a, b, convention="stored")
    assert conversion_matrices(w0, a, b).a.shape == (3, 1)  # auto: 'consistent'


def test_a_singular_w0_is_refused_under_stored_and_warned_of_under_consistent() -> None:
    rng = np.random.default_rng(3)
    w0 = rng.standard_normal((2, 5, 5))
    w0[1, :, 0] = w0[1, :, 1]
    a, b = rng.standard_normal((2, 2, 5)), rng.standard_normal((2, 5, 2))
    for convention in ("stored", "auto"):
        with pytest.raises(
            SingularError, match=r"1 of 2 W0 are singular \(rank 4 of 5\).*consistent"
        ):
            conversion_matrices(w0, a, b, convention=convention)
    with pytest.warns(RankDeficientWarning, match="1 of 2 W0 are singular"):
        found = conversion_matrices(w0, a, b, convention="consistent")
    np.testing.assert_allclose(found.b, np.linalg.pinv(w0) @ b, atol=1e-10)
    assert np.isinf(found.condition_number).tolist() == [False, True]


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_numpy_in_numpy_out(convention: str) -> None:
    rng = np.random.default_rng(8)
    given = [rng.standard_normal(shape) for shape in ((2, 9, 9), (2, 4, 9), (2, 9, 4))]
    found = conversion_matrices(*given, convention=convention)
    expected = conversion_matrices(*map(torch.from_numpy, given), convention=convention)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, np.ndarray)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [9, 1024])
@pytest.mark.parametrize(
    ("of_w0", "of_a", "of_b"),
    [
        ((), (3,), (3,)),  # one W0, three adapters
        ((2,), (3, 2), (3, 2)),  # two layers of three adapters
        ((2, 1), (2, 3), (3,)),
        ((2,), (), (2,)),
        ((1, 2, 1), (3, 1, 2), (2, 2)),
    ],
)
@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_leading_axes_broadcast(
    n: int, of_w0: tuple[int, ...], of_a: tuple[int, ...], of_b: tuple[int, ...], convention: str
) -> None:
    generator = torch.Generator().manual_seed(1)
    w0, a, b = (
        torch.randn(*shape, generator=generator)
        for shape in ((*of_w0, n, n), (*of_a, 2, n), (*of_b, n, 2))
    )
    found = conversion_matrices(w0, a, b, convention=convention)  # type: ignore[arg-type]
    batch = torch.broadcast_shapes(of_w0, of_a, of_b)
    assert found.condition_number.shape == of_w0
    wide = [x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (w0, a, b)]
    one_by_one = [
        conversion_matrices(*each, convention=convention)  # type: ignore[call-overload]
        for each in zip(*wide, strict=True)
    ]
    for name in ("a", "b"):
        got = getattr(found, name)
        assert got.shape == (*batch, n, 2)
        expected = torch.stack([getattr(one, name) for one in one_by_one])
        assert (got.reshape(-1, n, 2) - expected).norm() <= 1e-9 * expected.norm()


def test_one_w0_of_many_adapters_is_factored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import lora_lens.core.conversions.conversion as module

    seen = []
    monkeypatch.setattr(
        module, "factor", lambda w0, *rest: seen.append(tuple(w0.shape)) or factor(w0, *rest)
    )
    conversion_matrices(torch.eye(4), torch.ones(7, 1, 4), torch.ones(7, 4, 1))
    assert seen == [(1, 4, 4)]


@pytest.mark.parametrize(
    ("w0", "a", "b", "why"),
    [
        ((8, 6), (2, 8), (6, 2), "A is 2x8 and B 6x2; expected rx6 and 8xr beside W0 of 8x6"),
        ((8, 8), (2, 8), (8, 3), "A is 2x8 and B 8x3; expected rx8 and 8xr"),
        ((3, 8, 8), (2, 2, 8), (3, 8, 2), r"axes \(3,\), \(2,\) and \(3,\); expected such as br"),
        ((8, 8), (8,), (8, 1), r"A has shape \(8,\), expected \(..., m, n\)"),
        ((0, 8, 8), (0, 2, 8), (0, 8, 2), r"W0 has shape \(0, 8, 8\), which holds nothing"),
        ((8, 8), (0, 8), (8, 0), r"A has shape \(0, 8\), which holds nothing"),
    ],
)
def test_shapes_that_do_not_go_together(
    w0: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], why: str
) -> None:
    with pytest.raises(LensError, match=why):
        conversion_matrices(torch.ones(w0), torch.ones(a), torch.ones(b))
    with pytest.raises(LensError, match=why):
        conversion_matrices(np.ones(w0), np.ones(a), np.ones(b))


def test_complex_weights_are_refused() -> None:
    """torch would drop what is imaginary, with a warning."""
    with pytest.raises(LensError, match="W0 is complex; expected a real matrix"):
        conversion_matrices(torch.eye(4) * 1j, torch.ones(1, 4), torch.ones(4, 1))
    with pytest.raises(LensError, match="must all be torch tensors or all NumPy arrays"):
        conversion_matrices(torch.eye(4), np.ones((1, 4)), np.ones((4, 1)))  # type: ignore[call-overload]


@pytest.mark.parametrize("n", [9, 1024])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["W0", "A", "B"])
def test_public_function_refuses_what_is_not_finite(name: str, wrong: float, n: int) -> None:
    """Of an infinite W0 the conversions would be zeros, of an infinite A NaN."""
    given = {"W0": torch.eye(n), "A": torch.eye(n)[:2], "B": torch.eye(n)[:, :2].clone()}
    given[name][1, 1] = wrong
    with pytest.raises(LensError, match=f"^{name} holds NaN or infinite"):
        conversion_matrices(*given.values())


@pytest.mark.parametrize("n", [9, 1024])
def test_weights_of_a_module_are_taken_as_numbers(n: int) -> None:
    layer = torch.nn.Linear(n, n, bias=False)
    a, b = torch.nn.Parameter(torch.randn(2, n)), torch.nn.Parameter(torch.randn(n, 2))
    found = conversion_matrices(layer.weight, a, b)
    assert not found.b.requires_grad
    expected = conversion_matrices(layer.weight.data, a.data, b.data)
    assert torch.equal(found.b, expected.b)


@pytest.mark.parametrize("n", [9, 1024])
@pytest.mark.parametrize("power", [-70, 60])
def test_whatever_the_scale(n: int, power: int) -> None:
    """In float32 a fourth power of the one, and of the other's inverse, is not in range."""
    generator = torch.Generator().manual_seed(0)
    w0, a = torch.randn(n, n, generator=generator), torch.randn(2, n, generator=generator)
    found = conversion_matrices(torch.stack([w0 * 2.0**power, w0]), a.expand(2, -1, -1), a.mT.expand(2, -1, -1))  # fmt: skip
    assert torch.equal(found.b[0] * 2.0**power, found.b[1])
    expected = np.linalg.cond(w0.double().numpy())
    np.testing.assert_allclose(found.condition_number, expected, rtol=1e-9 if n == 9 else 0.03)


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: x.astype(x.dtype.newbyteorder()),
        lambda x: np.broadcast_to(x, x.shape),  # not to be written to, and torch would warn
        lambda x: x.astype(np.longdouble),
        np.ma.masked_array,
    ],
    ids=["negative strides", "the other byte order", "read-only", "longdouble", "nothing masked"],
)
def test_arrays_that_torch_does_not_take(laid_out: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(shape) for shape in ((6, 6), (2, 6), (6, 2))]
    expected, found = conversion_matrices(*given), conversion_matrices(*map(laid_out, given))
    np.testing.assert_array_equal(found.a, expected.a)
    np.testing.assert_array_equal(found.b, expected.b)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.ma.masked_array(np.eye(3), mask=np.eye(3, dtype=bool)), "W0 is masked in places"),
        (np.eye(3).astype(str), "W0 is of <U32; expected numbers"),
        (None, "W0 is of object; expected numbers"),
        ([[1.0, 2.0], [3.0]], r"W0 is no matrix: \[\[1.0, 2.0\], \[3.0\]\]"),
    ],
)
def test_what_holds_no_numbers_is_refused(wrong: Any, said: str) -> None:
    """A masked entry would be taken as what stands there."""
    with pytest.raises(LensError, match=said):
        as_tensors(W0=wrong, A=np.ones((1, 3)))


def test_there_is_no_other_convention() -> None:
    """It would be taken as 'stored'; tests check types, and a user's process does not."""
    asked = (
        "import numpy as np, lora_lens as ll\n"
        "ll.conversion_matrices(np.eye(3), np.ones((1, 3)), np.ones((3, 1)), convention='Consistent')"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=False
    )
    assert "LensError: convention is 'Consistent', expected 'auto'" in done.stderr
