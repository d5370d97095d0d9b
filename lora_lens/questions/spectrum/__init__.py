"""How is ΔW's energy spread over its directions, and beside W0's?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="spectrum",
    asks="How is ΔW's energy spread over its directions, and beside W0's?",
    function="spectrum",
)
