"""Are conversion matrices alike across layers, and is it more than chance?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="similarity",
    asks="Are conversion matrices alike across layers, and is it more than chance?",
    function="conversion_similarity",
)
