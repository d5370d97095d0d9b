import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from slow_routes import conditioned

import lora_lens
from lora_lens.core.solving.lu import lu, lu_in_place, packed_lu


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 300])
def test_the_columns_in_their_order_are_l_times_u_turned(n: int) -> None:
    w0 = torch.randn(n, n, generator=torch.Generator().manual_seed(n))
    kept = w0.clone()
    packed, order = lu(w0)
    lower = packed.tril(-1) + torch.eye(n)
    assert torch.equal(w0, kept)
    assert sorted(order.tolist()) == list(range(n))
    assert lower.abs().max() <= 1  # partial pivoting
    np.testing.assert_allclose((lower @ packed.triu()).mT, w0[:, order], atol=2e-6 * n**0.5)


@pytest.mark.parametrize("n", [1, 129, 300])
@pytest.mark.parametrize("k", [5, 65])
@pytest.mark.parametrize("transposed", [False, True])
def test_solves_as_scipy_does(n: int, k: int, transposed: bool) -> None:
    w0 = conditioned(n, n, 50 if n > 1 else 1, np.random.default_rng(n)).astype(np.float32)
    made = lu(torch.from_numpy(w0))
    rhs = torch.randn(n, k, generator=torch.Generator().manual_seed(n))
    kept = rhs.clone()
    found = (made.solve_transposed if transposed else made.solve)(rhs)
    expected = scipy.linalg.solve(w0.T if transposed else w0, rhs.double().numpy())
    assert np.linalg.norm(found.numpy() - expected) < 1e-4 * np.linalg.norm(expected)
    assert torch.equal(rhs, kept)


def test_it_pivots_as_the_library_does() -> None:
    w0 = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    permutation = torch.linalg.lu(w0.mT).P
    assert torch.equal(w0 @ permutation, w0[:, lu(w0).order])


@pytest.mark.parametrize("n", [1, 300])
def test_in_place_takes_no_other_memory(n: int) -> None:
    w0 = torch.randn(n, n, generator=torch.Generator().manual_seed(0))
    expected = lu(w0)
    made = lu_in_place(w0)
    assert made.packed.data_ptr() == w0.data_ptr()
    assert torch.equal(made.packed, w0.mT)
    assert torch.equal(made.packed, expected.packed)


_TWO_THREADS = """
import torch
from lora_lens.core.solving.factoring import factor
from lora_lens.core.solving.lu import packed_lu

torch.set_num_threads(2)  # what a stack of this size, given to the library whole, did not survive
w0 = torch.randn(6, 300, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
packed, pivots = packed_lu(w0)
lower, upper = torch.lu_unpack(packed, pivots)[1:]
rows = torch.lu_unpack(packed, pivots)[0].mT @ w0
print(float((lower @ upper - rows).abs().max()))
for computing in (None, torch.float64):
    x = factor(w0.float().to(computing or w0.dtype), 1e-12, computing).solver.solve(w0)
    print(float((w0.float().double() @ x - w0).norm() / w0.norm()))
"""


def test_a_stack_survives_set_num_threads() -> None:
    command = [sys.executable, "-c", _TWO_THREADS]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, check=True
    )
    assert "MKL" not in done.stdout + done.stderr
    assert all(float(line) < 1e-10 for line in done.stdout.split())


def test_a_stack_of_stacks_as_the_library_has_it() -> None:
    w0 = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    expected = torch.linalg.lu_factor(w0)
    packed, pivots = packed_lu(w0)
    assert torch.equal(pivots, expected.pivots)
    assert torch.equal(packed, expected.LU)
    assert packed_lu(w0[:0])[0].shape == (0, 3, 9, 9)


def test_a_stack_of_wide_ones_is_factored_by_scipy_alike() -> None:
    w0 = torch.randn(2, 520, 520, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    packed, pivots = packed_lu(w0)
    assert pivots.dtype == torch.int32
    p, lower, upper = torch.lu_unpack(packed, pivots)
    torch.testing.assert_close(p @ lower @ upper, w0, rtol=0, atol=1e-11)
    b = torch.randn(2, 520, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(w0 @ torch.linalg.lu_solve(packed, pivots, b), b, rtol=0, atol=1e-8)


_WRONG_OF_STACKS = re.compile(
    r"torch\.(linalg\.)?(lu_factor|lu|solve|solve_ex|inv|inv_ex|inverse|det|slogdet|logdet|tensorsolve|tensorinv)(_ex)?\("
)


def test_nothing_else_asks_the_library_for_the_lu_of_a_stack() -> None:
    package = Path(lora_lens.__file__).parent
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if _WRONG_OF_STACKS.search(file.read_text("utf-8"))
    }
    assert found == {"core/solving/lu.py"}
