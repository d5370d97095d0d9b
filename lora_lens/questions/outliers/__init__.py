"""Why do layers look alike before any training? The coordinates that W0's nearly empty columns give them all."""

from ..question import Question

QUESTION = Question(
    package=__name__,
    command="outliers",
    asks="Which coordinates make conversions alike across layers, whatever was trained?",
    function="outliers",
)
