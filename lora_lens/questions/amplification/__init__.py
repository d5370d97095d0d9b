"""How much does ΔW amplify directions of W0?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="amplification",
    asks="How much does ΔW amplify directions of W0?",
    function="amplification",
)
