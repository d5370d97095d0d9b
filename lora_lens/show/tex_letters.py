"""Letters of strangers in LaTeX: what pdfLaTeX sets as it is, what it sets as mathematics, and what it has no font for."""

from __future__ import annotations

import unicodedata

_NAMES = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_GREEK = dict(zip("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _NAMES.split(), strict=True))
_LOOKS_LATIN = dict(zip("οΑΒΕΖΗΙΚΜΝΟΡΤΧ", "oABEZHIKMNOPTX", strict=True))  # TeX has no others
_AS_MATHEMATICS = {
    **{one: f"$\\{name}$" for one, name in _GREEK.items()},
    **_LOOKS_LATIN,
    **{one: f"$_{k}$" for k, one in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    "\ufffd": "?",  # what is said instead of what does something
}
# By running pdfTeX 1.40.26 on U+00A1 to U+024F, Vietnamese, Indic transcription and punctuation.
_IN_T1_ALONE = frozenset("«»ÐÞðþĄąĐđĘęĮįŊŋŲųǪǫ‚„‹›")
_LATIN_UNKNOWN = frozenset("ĦħĸĿŀŉŦŧſ")
_KNOWN_BEYOND = frozenset("ƒǍǎǏǐǑǒǓǔǢǣǦǧǨǩǰǴǵȘșȚțȲȳ‐‑‒–—―‖‘’“”†‡•…‰€ḂḃḍḞḟḠḡḥḰḱḷṃṅṇṛṣṭẎẏẐẑẞỲỳ←↑→↓")


def in_tex(text: str) -> str:
    r"""Greek letters as mathematics, and accents on their letters, as pdfLaTeX takes them.

    Example:
        >>> print(in_tex("Ω-lora"))
        $\Omega$-lora
    """
    text = unicodedata.normalize("NFC", text)
    return "".join(_AS_MATHEMATICS.get(one, one) for one in text)


def needs(text: str) -> str:
    r"""Lines of comment on what letters need of a document; none where plain pdfLaTeX sets them all.

    Example:
        >>> needs("größe"), needs("łąka"), needs("模型 1")
        ('', '% \\usepackage[T1]{fontenc}\n', '% 模型: LuaLaTeX or XeLaTeX, with a font that has them (fontspec), for pdfLaTeX has none\n')
    """
    beyond = "".join(dict.fromkeys(one for one in text if not _is_known(one)))
    if beyond:
        return (
            f"% {beyond}: LuaLaTeX or XeLaTeX, with a font that has {'it' if len(beyond) == 1 else 'them'} "
            f"(fontspec), for pdfLaTeX has none\n"
        )
    return "% \\usepackage[T1]{fontenc}\n" if _IN_T1_ALONE & set(text) else ""


def _is_known(one: str) -> bool:
    latin = "\u00a0" <= one <= "\u017f" and one not in _LATIN_UNKNOWN
    return one.isascii() or latin or one in _IN_T1_ALONE or one in _KNOWN_BEYOND
