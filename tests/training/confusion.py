"""Matthews correlation from the confusion matrix (Matthews 1975)."""

from __future__ import annotations

import numpy as np


def slow_matthews(predicted: np.ndarray, labels: np.ndarray) -> float:
    tp, tn = ((predicted == k) & (labels == k) for k in (1, 0))
    fp, fn = ((predicted == k) & (labels != k) for k in (1, 0))
    a, b, c, d = (float(x.sum()) for x in (tp, tn, fp, fn))
    return (a * b - c * d) / np.sqrt((a + c) * (a + d) * (b + c) * (b + d))
