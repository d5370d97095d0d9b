"""The metrics, larger is better in each: accuracy, F1, Matthews' and Pearson's correlation.

Each takes what a model answers, one line a row and one column a class (one column for a regression),
and the true labels. Answers that are no finite numbers are an error and never a score: argmax would
take NaN for a class, and a checkpoint whose score is NaN compares with none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import DivergedError

Metric = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


def accuracy(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Share of rows whose highest-scoring class is the label, in [0, 1].

    Raises:
        DivergedError: `predicted` is not finite.
    """
    return float((_classes(predicted) == labels).mean())


def f1(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """F1 of the last class, the harmonic mean of its precision and recall, in [0, 1].

    ``2·tp / (2·tp + fp + fn)``; 0 where the class is neither answered nor true anywhere.

    Raises:
        DivergedError: `predicted` is not finite.
    """
    positive = predicted.shape[-1] - 1
    answered, true = _classes(predicted) == positive, labels == positive
    either = answered.sum() + true.sum()
    return float(2 * (answered & true).sum() / either) if either else 0.0


def matthews(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Matthews correlation of classes, in [-1, 1]; 0 where answers or labels are constant.

    Pearson's r of the two 0/1 vectors with two classes, and Gorodkin's R_K (2004) with more:
    ``(c·n − Σ p_k t_k) / √((n² − Σ p_k²)(n² − Σ t_k²))``, c of n rows right, class k answered p_k
    times and true t_k times.

    Raises:
        DivergedError: `predicted` is not finite.
    """
    answered, true = _classes(predicted), labels.astype(np.int64)
    classes = predicted.shape[-1]
    rows = float(len(true))
    # Floats, since the products of four counts leave 64-bit integers.
    p, t = (np.bincount(x, minlength=classes).astype(np.float64) for x in (answered, true))
    spread = np.sqrt((rows**2 - p @ p) * (rows**2 - t @ t))
    if spread == 0:
        return 0.0
    right = float((answered == true).sum())
    return float((right * rows - p @ t) / spread)


def pearson(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Pearson's r of predicted and true scores, in [-1, 1]; 0 where either is constant.

    Raises:
        DivergedError: `predicted` is not finite.
    """
    x, y = _finite(predicted)[:, 0].astype(np.float64), labels.astype(np.float64)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def mean_loss(
    predicted: NDArray[np.float64], labels: NDArray[np.float64], *, regression: bool
) -> float:
    """Mean over the rows of what training minimises: cross-entropy in nats, or the squared error."""
    if regression:
        return float(((predicted[:, 0] - labels) ** 2).mean())
    shifted = predicted - predicted.max(-1, keepdims=True)
    true = np.take_along_axis(shifted, labels.astype(np.int64)[:, None], -1)[:, 0]
    return float((np.log(np.exp(shifted).sum(-1)) - true).mean())


METRICS: dict[str, Metric] = {
    metric.__name__: metric for metric in (accuracy, f1, matthews, pearson)
}


def _classes(predicted: NDArray[np.float64]) -> NDArray[np.int64]:
    return _finite(predicted).argmax(-1)


def _finite(predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(predicted).all():
        raise DivergedError(
            "the model's answers hold NaN or infinity: training has diverged; try a lower --lr"
        )
    return predicted
