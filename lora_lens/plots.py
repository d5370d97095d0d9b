"""Results → matplotlib; one file a result. Computes nothing.

Functions that take ``ax`` draw on it (the current one by default), return it, and save nothing. Those that
take ``figure`` fill it, a figure or a part of one, and return it; by default they return a figure of their own.
Figures are made without pyplot, so that no global state is touched.
"""

from .questions.amplification.plots import amplification_figure, amplification_plot, factor_plot
from .questions.comparison.plots import comparison_figure, layer_plot
from .questions.dynamics.plots import (
    dynamics_figure,
    layer_heatmap,
    rank_plot,
    size_plot,
    trajectory,
)
from .questions.grid.plots import ij_heatmap, rank_grids_figure
from .questions.inventory.plots import inventory_figure
from .questions.magnitude.plots import correlation_plot, magnitude_figure, magnitude_plot
from .questions.matrix.plots import adapter_heatmap, dendrogram, matrix_figure
from .questions.outliers.plots import outlier_crowd_plot, outlier_layer_plot, outliers_figure
from .questions.shared.plots import (
    shared_eigenvalue_plot,
    shared_figure,
    shared_layer_plot,
    shared_predicted_plot,
    shared_width_plot,
)
from .questions.similarity.plots import excess_heatmap, heatmap, similarity_figure
from .questions.spectrum.plots import intruder_figure, intruder_heatmap, spectrum_figure
from .reproduction.page.plots import (
    curves_figure,
    curves_plot,
    scores_figure,
    scores_plot,
)
from .show.singular_values import singular_value_plot

__path__: list[str] = []  # the modules that were in it are found by lora_lens.moved

__all__ = [
    "adapter_heatmap",
    "amplification_figure",
    "amplification_plot",
    "comparison_figure",
    "correlation_plot",
    "curves_figure",
    "curves_plot",
    "dendrogram",
    "dynamics_figure",
    "excess_heatmap",
    "factor_plot",
    "heatmap",
    "ij_heatmap",
    "intruder_figure",
    "intruder_heatmap",
    "inventory_figure",
    "layer_heatmap",
    "layer_plot",
    "magnitude_figure",
    "magnitude_plot",
    "matrix_figure",
    "outlier_crowd_plot",
    "outlier_layer_plot",
    "outliers_figure",
    "rank_grids_figure",
    "rank_plot",
    "scores_figure",
    "scores_plot",
    "shared_eigenvalue_plot",
    "shared_figure",
    "shared_layer_plot",
    "shared_predicted_plot",
    "shared_width_plot",
    "similarity_figure",
    "singular_value_plot",
    "size_plot",
    "spectrum_figure",
    "trajectory",
]
