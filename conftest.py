"""What every test and every doctest begins with."""

from collections.abc import Iterator

import pytest
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def no_figure_left() -> Iterator[None]:
    """Examples draw on the current axes, as in a notebook's cell: each on its own."""
    yield
    plt.close("all")
