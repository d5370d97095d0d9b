"""Names for signs that an encoding lacks: ``phi`` for φ on a terminal without Greek letters, where ``?`` would stand."""

from __future__ import annotations

import codecs
import re
import unicodedata

HANDLER = "lora_lens.plain_names"  # of errors, for a stream
_NAMES = {
    "α": "alpha", "ε": "eps", "θ": "theta", "λ": "lambda", "σ": "sigma", "φ": "phi", "Δ": "d", "Σ": "sum ",
    "±": "+-", "−": "-", "–": "-", "×": "x", "·": "*", "≤": "<=", "≥": ">=", "≈": "~", "∞": "inf", "→": "->",
    "‖": "||", "°": " deg", "…": "...", "“": '"', "”": '"', "’": "'", "²": "^2", "⁻¹": "^-1", "⁻": "^-", "ᵀ": "^T",
    "₁": "_1", "₂": "_2",
    "░": ".", "▒": ":", "▓": "+", "█": "#",
}  # fmt: skip
_KNOWN = re.compile("|".join(sorted(map(re.escape, _NAMES), key=len, reverse=True)))


def plainly(text: str, encoding: str) -> str:
    """The text with a name in the place of every sign that an encoding lacks; ``?`` for what has none.

    Example:
        >>> plainly("φ of ΔW ± 0.1", "utf-8"), plainly("φ of ΔW ± 0.1", "ascii"), plainly("φ of ΔW ± 0.1", "latin-1")
        ('φ of ΔW ± 0.1', 'phi of dW +- 0.1', 'phi of dW ± 0.1')
    """
    if _has(text, encoding):
        return text
    named = _KNOWN.sub(lambda one: one[0] if _has(one[0], encoding) else _NAMES[one[0]], text)
    return "".join(one if _has(one, encoding) else _letter(one) for one in named)


def _has(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _letter(one: str) -> str:
    """Without its accents."""
    return unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode() or "?"


def _handle(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    known = _KNOWN.match(error.object, error.start)
    if known:
        return _NAMES[known[0]], known.end()
    return _letter(error.object[error.start]), error.start + 1


codecs.register_error(HANDLER, _handle)
