import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import scipy.linalg

from lora_lens.core.computing.lapack import lu_by_columns, solve_rows


def printed(code: str, threads: int = 2) -> str:
    """What a process of its own prints, whose OpenBLAS has so many threads."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads)},
    )
    return done.stdout


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_written_over_the_matrix(dtype: type) -> None:
    matrix = np.asfortranarray(np.random.default_rng(0).standard_normal((130, 130)).astype(dtype))
    expected, exchanged = scipy.linalg.lu_factor(matrix)
    assert lu_by_columns(matrix).tolist() == exchanged.tolist()
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize("lies", ["by rows", "every other column"])
def test_a_matrix_that_lies_otherwise_is_refused(lies: str) -> None:
    """SciPy copies it, and what was to be written over would be the matrix as it was."""
    matrix = np.eye(4, dtype=np.float32)
    matrix = matrix if lies == "by rows" else np.asfortranarray(matrix)[::2, ::2]
    with pytest.raises(ValueError, match="does not lie by columns"):
        lu_by_columns(matrix)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_solved_over_themselves(dtype: type, upper: bool, unit: bool, order: str) -> None:
    rng = np.random.default_rng(1)
    triangle = np.asarray(rng.standard_normal((70, 70)) / 70 + 2 * np.eye(70), dtype, order=order)  # type: ignore[call-overload]
    kept, rows = triangle.copy(), rng.standard_normal((50, 70)).astype(dtype)
    expected = scipy.linalg.solve_triangular(triangle, rows.T, lower=not upper, unit_diagonal=unit)
    solve_rows(triangle, rows, upper=upper, unit=unit)
    np.testing.assert_allclose(
        rows, expected.T, rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-6
    )
    np.testing.assert_array_equal(triangle, kept)


@pytest.mark.parametrize("what", ["rows", "triangle"])
def test_rows_that_lie_otherwise_are_refused(what: str) -> None:
    triangle, rows = np.eye(8, dtype=np.float32), np.ones((6, 4), dtype=np.float32)
    given = (
        (triangle[:4, :4].copy(), rows.T.copy().T) if what == "rows" else (triangle[:4, :4], rows)
    )
    with pytest.raises(ValueError, match="do not lie by rows"):
        solve_rows(*given, upper=True, unit=False)


@pytest.mark.parametrize("width", [4, 7])
def test_what_is_not_of_one_dtype_and_width_is_refused(width: int) -> None:
    """Its memory would be read as what it is not."""
    rows = np.ones((6, width), dtype=np.float64 if width == 4 else np.float32)
    with pytest.raises(ValueError, match=r"the triangle is float32 of \(4, 4\), the rows are"):
        solve_rows(np.eye(4, dtype=np.float32), rows, upper=True, unit=False)


@pytest.mark.parametrize("what", ["lu", "solve"])
def test_other_threads_go_on(what: str) -> None:
    """SciPy's own wrapper of the solve holds them up until it has ended."""
    rng, counted, ended = np.random.default_rng(2), [0], Event()
    triangle = np.asfortranarray(np.eye(2000) + np.tril(rng.standard_normal((2000, 2000))) / 2000)
    rows = rng.standard_normal((2000, 2000))
    solve_rows(np.eye(2), np.ones((1, 2)), upper=True, unit=False)  # what is loaded first

    def count() -> None:
        while not ended.is_set():
            counted[0] += 1

    def rate(work: Callable[[], object]) -> float:
        before, start = counted[0], time.perf_counter()
        work()
        return (counted[0] - before) / (time.perf_counter() - start)

    with ThreadPoolExecutor(1) as other:
        counting = other.submit(count)
        alone = rate(lambda: time.sleep(0.2))
        if what == "lu":
            beside = rate(lambda: lu_by_columns(triangle))
        else:
            beside = rate(lambda: solve_rows(triangle, rows, upper=False, unit=False))
        ended.set()
        counting.result()
    assert (
        beside > 0.05 * alone
    )  # held up it is none at all; another process may have the other core


_THREADS = """
import numpy as np, torch
from scipy.linalg import lapack
from threadpoolctl import threadpool_info
from lora_lens.core.computing.lapack import lu_by_columns

def pools():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

def watched(*given, **named):
    print(*pools())
    return factored(*given, **named)

factored, lapack.sgetrf = lapack.sgetrf, watched
for threads in (2, 1):
    torch.set_num_threads(threads)
    lu_by_columns(np.asfortranarray(np.eye(9, dtype=np.float32)))
print(*pools())
"""


@pytest.mark.parametrize("before", [1, 2])
def test_it_takes_as_many_threads_as_torch_and_leaves_the_setting(before: int) -> None:
    assert printed(_THREADS, before).split() == ["2", "1", str(before)]


_FIRST_CALL = """
import numpy as np, torch
from threadpoolctl import threadpool_info
from lora_lens.core.computing import lapack

def scipys():
    return [pool["num_threads"] for pool in threadpool_info() if "scipy.libs" in pool["filepath"]]

def watched(of):
    def call(*given):
        print(*scipys())
        of(*given)
    return call

found = lapack._blas
lapack._blas = lambda name: watched(found(name))
torch.set_num_threads(1)
lapack.solve_rows(np.eye(2), np.ones((1, 2)), upper=True, unit=False)
print(*scipys())
"""


def test_the_first_call_of_all_is_held_to_torchs_threads_too() -> None:
    """SciPy's library is loaded by it."""
    assert printed(_FIRST_CALL).split() == ["1", "2"]


_AT_A_TIME = """
from threading import Event, Thread
import numpy as np, torch
from scipy.linalg import lapack
from threadpoolctl import threadpool_info
from lora_lens.core.computing.lapack import lu_by_columns

def waiting(matrix, **named):
    if len(matrix) == 1:
        second_has_begun.wait(0.3)
    else:
        second_has_begun.set()
        first.join()
    return factored(matrix, **named)

factored, lapack.sgetrf = lapack.sgetrf, waiting
second_has_begun = Event()
torch.set_num_threads(1)
first, second = (Thread(target=lu_by_columns, args=[np.eye(n, dtype=np.float32, order="F")]) for n in (1, 2))
first.start()
second.start()
second.join()
print(*{pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
"""


def test_two_calls_at_a_time_leave_the_setting() -> None:
    assert printed(_AT_A_TIME).split() == ["2"]


_SHARED_OUT = """
import numpy as np, torch
from threadpoolctl import threadpool_info
from lora_lens.core.computing.cores import on_cores
from lora_lens.core.computing.lapack import lu_by_columns

def pools():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

def work(_):
    lu_by_columns(np.asfortranarray(np.eye(9, dtype=np.float32)))
    return pools()

torch.set_num_threads(3)
for _ in range(2):
    print(*(sorted(set.union(*on_cores(work, range(6), 6))) + sorted(pools())))
"""


def test_threads_that_were_shared_out_are_set_back_each_time() -> None:
    """Those that set them, in a pool, are not the one that sets them back."""
    assert printed(_SHARED_OUT).splitlines() == ["1 2", "1 2"]
