"""Would one linear layer, shared by all layers, yield every layer's factor?"""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="shared",
    asks="Would one linear layer, shared by all layers, yield every layer's factor?",
    function="shared_subspace",
)
