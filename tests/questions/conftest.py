"""Plots draw on the current axes or on those given, and open no figure of their own."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    assert len(plt.get_fignums()) <= 1
    plt.close("all")
