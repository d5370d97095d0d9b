"""Labelled numbers: every value with its layers, module, matrix, side, i, j, convention and baselines."""

from .baseline import Baseline
from .comparison import ComparisonResult, LayerSeries
from .dynamics import DynamicsResult
from .inventory import Inventory, LayerSummary
from .matrix import MatrixResult
from .null_test import NullTest, null_test
from .scores import Paired, TaskScores
from .shared import SharedNull, SharedResult, SharedSubspace
from .significance import Significance
from .similarity import LayerGrid, SimilarityResult

__all__ = [
    "Baseline",
    "ComparisonResult",
    "DynamicsResult",
    "Inventory",
    "LayerGrid",
    "LayerSeries",
    "LayerSummary",
    "MatrixResult",
    "NullTest",
    "Paired",
    "SharedNull",
    "SharedResult",
    "SharedSubspace",
    "Significance",
    "SimilarityResult",
    "TaskScores",
    "null_test",
]
