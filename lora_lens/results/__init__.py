"""Labelled numbers: every value with its layers, module, matrix, side, i, j, convention and baselines."""

from .amplification import Amplification, LayerAmplification
from .baseline import Baseline
from .comparison import ComparisonResult, LayerSeries
from .dynamics import DynamicsResult
from .inventory import Inventory, LayerSummary
from .matrix import MatrixResult
from .null_test import NullTest, null_test
from .rank_grids import RankGrid, RankGrids
from .rank_suggestion import RankSuggestion, SuggestedRank
from .scores import Paired, TaskScores
from .shared import SharedNull, SharedResult, SharedSubspace
from .significance import Significance
from .similarity import LayerGrid, SimilarityResult
from .spectrum import BesideW0, LayerSpectrum, Spectrum

__all__ = [
    "Amplification",
    "Baseline",
    "BesideW0",
    "ComparisonResult",
    "DynamicsResult",
    "Inventory",
    "LayerAmplification",
    "LayerGrid",
    "LayerSeries",
    "LayerSpectrum",
    "LayerSummary",
    "MatrixResult",
    "NullTest",
    "Paired",
    "RankGrid",
    "RankGrids",
    "RankSuggestion",
    "SharedNull",
    "SharedResult",
    "SharedSubspace",
    "Significance",
    "SimilarityResult",
    "Spectrum",
    "SuggestedRank",
    "TaskScores",
    "null_test",
]
