"""How many top directions do two adapters share, or ΔW and W0?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="grid",
    asks="How many top directions do two adapters share, or ΔW and W0?",
    function="rank_grids",
)
