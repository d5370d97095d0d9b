"""Do two adapters span alike, layer by layer?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="compare",
    asks="Do two adapters span alike, layer by layer?",
    function="compare",
)
