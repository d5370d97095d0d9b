"""How alike are conversion matrices across layers, beside random factors?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="similarity",
    asks="How alike are conversion matrices across layers, beside random factors?",
    function="conversion_similarity",
)
