"""Does ΔW change the lengths of W0's rows and their directions together?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="magnitude",
    asks="Does ΔW change the lengths of W0's rows and their directions together?",
    function="magnitude_and_direction",
)
