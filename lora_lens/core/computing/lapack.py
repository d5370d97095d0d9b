"""LAPACK and BLAS as SciPy brings them, with as many threads as torch has.

OpenBLAS's LU of 1024² to 4096² takes 60 to 78 % of the time of MKL's, which torch brings, on an AMD EPYC; its triangular
solves of many right-hand sides go as fast as a product.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

_LOCK = Lock()  # the setting is the process's: of two calls at a time the second would set back what the first had set


def lu_by_columns(matrix: np.ndarray) -> np.ndarray:
    """L and U written over a square matrix; which row each row was exchanged with, counting from 0.

    Args:
        matrix: (n, n), by columns, in float32 or float64.

    Raises:
        ValueError: It does not lie by columns: SciPy would factor a copy without a word.

    Example:
        >>> matrix = np.asfortranarray([[0.0, 2.0], [4.0, 0.0]])
        >>> lu_by_columns(matrix).tolist(), matrix.tolist()
        ([1, 1], [[4.0, 0.0], [0.0, 2.0]])
    """
    if not matrix.flags.f_contiguous:
        raise ValueError("the matrix does not lie by columns; its LU cannot be written over it")
    from scipy.linalg import lapack  # a quarter of a second to load, which narrow ones do not pay

    factored = lapack.sgetrf if matrix.dtype == np.float32 else lapack.dgetrf
    with _limited():
        return factored(matrix, overwrite_a=True)[1]


def leading_eigenvectors_of(matrix: np.ndarray, k: int) -> np.ndarray:
    """The k leading eigenvectors of a symmetric matrix, best first: a third of the time that all of them take.

    Args:
        matrix: (n, n), in float32 or float64.
        k: 1 to n.

    Example:
        >>> leading_eigenvectors_of(np.diag([1.0, 5.0, 3.0]), 2).T.round().tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    from scipy.linalg import eigh

    n = len(matrix)
    with _limited():
        return eigh(matrix, subset_by_index=[n - k, n - 1], driver="evr")[1][:, ::-1]


def solve_rows(triangle: np.ndarray, rows: np.ndarray, *, upper: bool, unit: bool) -> None:
    """T⁻¹x of each row x, written over it; T is a triangle of a matrix whose other half is anything.

    Args:
        triangle: (n, n), by columns or by rows.
        rows: (k, n), by rows, in the same dtype, float32 or float64.
        upper: Which triangle it is.
        unit: Whether ones stand on its diagonal, whatever is there.

    Raises:
        ValueError: They lie otherwise, or are not of one dtype and width.

    Example:
        >>> rows = np.array([[2.0, 6.0], [4.0, 3.0]])
        >>> solve_rows(np.array([[2.0, 9.0], [1.0, 3.0]]), rows, upper=False, unit=False)
        >>> rows
        array([[1.        , 1.66666667],
               [2.        , 0.33333333]])
    """
    by_columns = triangle.flags.f_contiguous
    if not rows.flags.c_contiguous or not (by_columns or triangle.flags.c_contiguous):
        raise ValueError(
            "the rows do not lie by rows, or the triangle lies neither by rows nor by columns"
        )
    if triangle.dtype != rows.dtype or triangle.shape != rows.shape[1:] * 2:
        raise ValueError(
            f"the triangle is {triangle.dtype} of {triangle.shape}, the rows are {rows.dtype} of {rows.shape}"
        )
    kind, one = ("s", ctypes.c_float) if rows.dtype == np.float32 else ("d", ctypes.c_double)
    lower = upper != by_columns  # of the columns that it has, whose transpose it may be
    flags = (b"L", b"L" if lower else b"U", b"N" if by_columns else b"T", b"U" if unit else b"N")
    k, n = rows.shape
    sizes = [ctypes.byref(ctypes.c_int(size)) for size in (n, k)]
    solve = _blas(f"{kind}trsm")  # SciPy's pool is there from here on
    with _limited():
        solve(
            *flags, *sizes, ctypes.byref(one(1)),
            triangle.ctypes.data, sizes[0], rows.ctypes.data, sizes[0],
        )  # fmt: skip


@cache
def _blas(name: str) -> Callable[..., None]:
    """A routine of SciPy's, by the address that it gives Cython: called so, other threads go on, as they do not by `scipy.linalg.blas`."""
    from scipy.linalg import cython_blas

    capsule, of_python = cython_blas.__pyx_capi__[name], ctypes.pythonapi
    of_python.PyCapsule_GetName.restype = ctypes.c_char_p
    of_python.PyCapsule_GetName.argtypes = [ctypes.py_object]
    of_python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    of_python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = of_python.PyCapsule_GetName(capsule)
    arguments = signature.partition(b"(")[2].split(b",")
    kinds = [ctypes.c_char_p if b"char" in one else ctypes.c_void_p for one in arguments]
    return ctypes.CFUNCTYPE(None, *kinds)(of_python.PyCapsule_GetPointer(capsule, signature))


@dataclass
class _Sharing:
    """Those who call at a time, each with some threads of its own, and the setting that they share.

    Attributes:
        callers: How many `shared_out` are open.
        threads: Of each call.
        limiter: Sets the threads back; made by the first call, for SciPy may not be loaded before.
        keeper: A thread that both sets them and sets them back: threadpoolctl, from 3.8 on, leaves OpenBLAS's setting
            to the thread that changed it first for as long as that lives, and does nothing, without a word, in others.
    """

    callers: int = 0
    threads: int = 1
    limiter: Any = None
    keeper: ThreadPoolExecutor | None = None

    def limit(self) -> None:
        """Each call has its threads alone from here on."""
        self.keeper = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self.limiter = self.keeper.submit(_pools().limit, limits=self.threads).result()

    def restore(self) -> None:
        """The setting is as it was before."""
        if self.keeper is not None:
            if self.limiter is not None:
                self.keeper.submit(self.limiter.restore_original_limits).result()
            self.keeper.shutdown()
        self.keeper = self.limiter = None


_SHARING = _Sharing()


@contextmanager
def shared_out(threads: int) -> Iterator[None]:
    """While it is open, calls from several threads go on at a time, each with so many threads of its own.

    Example:
        >>> with shared_out(1):
        ...     lu_by_columns(np.asfortranarray([[2.0]])).tolist()
        [0]
    """
    with _LOCK:
        _SHARING.threads = min(threads, _SHARING.threads) if _SHARING.callers else threads
        _SHARING.callers += 1
    try:
        yield
    finally:
        with _LOCK:
            _SHARING.callers -= 1
            if not _SHARING.callers:
                _SHARING.restore()


@contextmanager
def _limited() -> Iterator[None]:
    """With as many threads as torch has here; one call at a time, unless the threads are shared out."""
    with _LOCK:
        shared = _SHARING.callers > 0
        if not shared:
            with _pools().limit(limits=torch.get_num_threads()):
                yield
        elif _SHARING.limiter is None:
            _SHARING.limit()
    if shared:
        yield


@cache
def _pools() -> ThreadpoolController:
    """Those of linear algebra, once SciPy has loaded its own."""
    return ThreadpoolController().select(user_api="blas")
