"""Results → matplotlib; one file a result. Computes nothing.

Functions that take ``ax`` draw on it (the current one by default), return it, and save nothing.
Figures are made without pyplot, so that no global state is touched.
"""

from .amplification import amplification_figure, amplification_plot, factor_plot
from .comparison import comparison_figure, layer_plot
from .dynamics import dynamics_figure, layer_heatmap, rank_plot, size_plot, trajectory
from .inventory import inventory_figure
from .matrix import adapter_heatmap, dendrogram, matrix_figure
from .rank_grids import ij_heatmap, rank_grids_figure
from .scores import curves_figure, curves_plot, scores_figure, scores_plot
from .shared import shared_eigenvalue_plot, shared_figure, shared_layer_plot, shared_width_plot
from .similarity import heatmap, similarity_figure
from .singular_values import singular_value_plot
from .spectrum import intruder_figure, intruder_heatmap, spectrum_figure

__all__ = [
    "adapter_heatmap",
    "amplification_figure",
    "amplification_plot",
    "comparison_figure",
    "curves_figure",
    "curves_plot",
    "dendrogram",
    "dynamics_figure",
    "factor_plot",
    "heatmap",
    "ij_heatmap",
    "intruder_figure",
    "intruder_heatmap",
    "inventory_figure",
    "layer_heatmap",
    "layer_plot",
    "matrix_figure",
    "rank_grids_figure",
    "rank_plot",
    "scores_figure",
    "scores_plot",
    "shared_eigenvalue_plot",
    "shared_figure",
    "shared_layer_plot",
    "shared_width_plot",
    "similarity_figure",
    "singular_value_plot",
    "size_plot",
    "spectrum_figure",
    "trajectory",
]
