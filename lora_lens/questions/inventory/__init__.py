"""What is in an adapter, and what of it is left out?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="inspect",
    asks="What is in an adapter, and what of it is left out?",
    function="inspect",
)
