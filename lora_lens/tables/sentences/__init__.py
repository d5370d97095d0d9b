"""Results → what is seen in them, in plain sentences that claim no more than the numbers do."""

from .comparison import comparison_sentence
from .shared import shared_sentence
from .similarity import similarity_sentence

__all__ = ["comparison_sentence", "shared_sentence", "similarity_sentence"]
