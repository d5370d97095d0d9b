"""When in training do the subspaces find their place?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="dynamics",
    asks="When in training do the subspaces find their place?",
    function="dynamics",
)
