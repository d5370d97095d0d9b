"""What can be asked of trained adapters: a folder a question, all of them in `QUESTIONS`."""

from . import (
    amplification,
    comparison,
    dynamics,
    grid,
    inventory,
    magnitude,
    matrix,
    outliers,
    shared,
    similarity,
    spectrum,
)

# In the order of the command line's help.
QUESTIONS = (
    similarity.QUESTION,
    shared.QUESTION,
    outliers.QUESTION,
    comparison.QUESTION,
    matrix.QUESTION,
    dynamics.QUESTION,
    inventory.QUESTION,
    spectrum.QUESTION,
    grid.QUESTION,
    amplification.QUESTION,
    magnitude.QUESTION,
)
