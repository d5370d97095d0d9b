"""Which of many adapters span alike?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="matrix",
    asks="Which of many adapters span alike?",
    function="adapter_matrix",
)
