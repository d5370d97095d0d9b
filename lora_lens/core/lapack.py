"""LAPACK as SciPy brings it, with as many threads as torch has.

OpenBLAS's LU of 1024² to 4096² takes 60 to 78 % of the time of MKL's, which torch brings, on an AMD EPYC.
"""

from __future__ import annotations

from functools import cache
from threading import Lock

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
    with _LOCK, _pools().limit(limits=torch.get_num_threads()):
        return factored(matrix, overwrite_a=True)[1]


@cache
def _pools() -> ThreadpoolController:
    """Those of linear algebra, once SciPy has loaded its own."""
    return ThreadpoolController().select(user_api="blas")
