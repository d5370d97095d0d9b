"""What was found, in words: a claim that was tested, its verdict, its size, and one sentence of several.

A question says what it tests (`Claim`); what may be said of it is the same for all questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..chance.p_values import fewest_draws
from ..chance.significance import LEVEL
from ..chance.verdict import Trial, Verdict, Word, judge
from ..labelled import Row, plain
from .layout import p_text
from .wording import ONE, each, listed, span


def short(value: float) -> str:
    """Two significant digits of a number from 0 to 1; 1 for what rounds to it."""
    if value >= 0.995:
        return "1"
    return f"{value:#.2g}" if abs(value) >= 1e-4 else f"{value:.4f}"


@dataclass(frozen=True)
class Scale:
    """What numbers up to 1 are called, what each size of them means, the largest first, and how one is written.

    `alike` gives one way to write several, where `written` has more digits of some than of others.
    """

    symbol: str
    words: tuple[tuple[float, str], ...]
    written: Callable[[float], str] = short
    alike: Callable[[Sequence[float]], Callable[[float], str]] | None = None

    def word(self, value: float) -> str:
        """What a number of this size means."""
        return next((word for least, word in self.words if value >= least), self.words[-1][1])


PHI = Scale(
    "φ",
    (
        (ONE, "the same subspace"),
        (0.9, "nearly the same subspace"),
        (0.5, "more alike than not"),
        (0.1, "partly alike"),
        (0.0, "nearly orthogonal"),
    ),
)
SHARE = Scale(
    "share",
    (
        (ONE, "all of it"),
        (0.9, "nearly all of it"),
        (0.5, "most of it"),
        (0.1, "a part of it"),
        (0.0, "hardly any of it"),
    ),
)
TRACE = 0.05  # an excess below it is called a trace
# Every verdict's one wording, in sentences, on the page and in the demo's lines; in JSON it is the `Word`.
_DEGREES: dict[Word, str] = {"more": "more", "less": "less", "not seen": "no more"}
_MOST_EXCESSES = 3  # that are named one by one
_TOO_FEW = "too few draws to tell"
_ABOVE = ((0.5, "far"), (0.2, "well"), (TRACE, "somewhat"), (0.0, "a trace"))


@dataclass(frozen=True)
class Claim:
    """One number that is tested.

    Attributes:
        about: What it is, in words.
        label: What it is of, in a sentence of several: ``A``.
        scale: What its sizes mean.
        null: What chance is.
        trial: The number beside that chance.
        aspect: Which of several numbers of the same thing, in a word or two: ``left out``.
        made: Whether the adapter was made so that it is 1, as a share of CondLoRA's is: no discovery.
    """

    about: str
    label: str
    scale: Scale
    null: str
    trial: Trial
    aspect: str = ""
    made: bool = False


@dataclass(frozen=True)
class Finding:
    """A claim with what may be said of it."""

    claim: Claim
    verdict: Verdict

    @property
    def label(self) -> str:
        """What it is of."""
        return self.claim.label

    @property
    def word(self) -> Word:
        """``more``, ``less`` or ``not seen``."""
        return self.verdict.word

    @property
    def hopeless(self) -> bool:
        """Whether there are too few draws to find it whatever it is, so that nothing may be said of it."""
        return self.word == "not seen" and self.verdict.detectable is None

    @property
    def degree(self) -> str:
        """``more``, ``less``, ``no more``, or nothing where nothing could be found."""
        return "" if self.hopeless else _DEGREES[self.word]

    @property
    def words(self) -> str:
        """The verdict by itself: ``no more than chance``, beside which `would_be_seen` has to stand."""
        return f"{self.degree} than chance" if self.degree else _TOO_FEW

    @property
    def excess(self) -> float:
        """(value − null)/(1 − null): 0 at chance, 1 at the most there can be; of a correlation value − null."""
        trial = self.claim.trial
        if trial.correlation:
            return trial.value - trial.mean
        return (trial.value - trial.mean) / (1 - trial.mean)

    @property
    def size(self) -> str:
        """How large the number is beside what it means, and beside chance where it is told from it."""
        trial, scale = self.claim.trial, self.claim.scale
        text, meant = f"{scale.symbol} = {scale.written(trial.value)} of 1", scale.word(trial.value)
        if self.word == "not seen":
            return f"{text}: {meant}"
        how = next(word for least, word in _ABOVE if abs(self.excess) >= least)
        if self.word == "more":
            return f"{text}: {meant}, {how} above chance"
        # What chance has more of is not called alike; correlations below 0 have a word of their own.
        return f"{text}: {f'{meant}, ' if trial.correlation else ''}{how} below chance"

    def to_dict(self) -> Row:
        """For JSON."""
        trial = self.claim.trial
        return {
            "about": self.claim.about,
            "verdict": self.word,
            "p": plain(self.verdict.p),
            "size": self.size,
            "detectable": self.verdict.detectable,
            "value": plain(trial.value),
            "chance": plain(trial.mean),
            "sd": plain(trial.sd),
            "null": self.claim.null,
            "family": self.verdict.family,
            "words": self.words,
        } | ({} if self.verdict.below is None else {"detectable_below": self.verdict.below})


def found(claims: Sequence[Claim]) -> tuple[Finding, ...]:
    """The verdicts over one family, of which what was made so is none: that would only cost the others."""
    verdicts = {
        made: iter(judge([one.trial for one in claims if one.made == made]))
        for made in (False, True)
    }
    return tuple(Finding(one, next(verdicts[one.made])) for one in claims)


def told(*kinds: tuple[Sequence[Finding], str]) -> str:
    """Findings in a clause or a few: of each kind those of one verdict together, each with its size.

    Args:
        kinds: Findings, and a pattern with ``{names}``, ``{are}``, ``{its}`` and ``{degree}`` (more, less, no more),
            as in ``{names} {are} {degree} alike than chance makes them``.
    """
    parts, hopeless = [], []
    for findings, pattern in kinds:
        groups: dict[str, list[Finding]] = {}
        for one in findings:
            groups.setdefault(one.degree, []).append(one)
        hopeless += groups.pop("", [])
        written = _written(findings)
        parts += [_clause(degree, some, pattern, written) for degree, some in groups.items()]
    return "; ".join([*parts, *([too_few(hopeless)] if hopeless else [])])


def _written(some: Sequence[Finding]) -> Callable[[float], str]:
    """How their numbers are written, those beside chance and chance's own alike."""
    if not some:
        return short
    scale = some[0].claim.scale
    if scale.alike is None:
        return scale.written
    return scale.alike([n for one in some for n in (one.claim.trial.value, one.claim.trial.mean)])


def _clause(
    degree: str, some: Sequence[Finding], pattern: str, written: Callable[[float], str]
) -> str:
    names = listed([one.label for one in some])
    one = len(some) == 1
    words = {"are": "is" if one else "are", "its": "its" if one else "their"}
    text = pattern.format(names=names, degree=degree, **words)
    return f"{text} ({_numbers(degree, some, written)})"


def too_few(some: Sequence[Finding], what: str = "") -> str:
    """That nothing could be found, and how many draws it takes.

    Args:
        some: Findings that are hopeless.
        what: What of theirs cannot be told from chance; by default their labels.
    """
    names = what or listed(list(dict.fromkeys(one.label for one in some)))
    draws = min(one.claim.trial.draws for one in some)
    needed = fewest_draws(LEVEL, tests=max(one.verdict.family for one in some))
    return (
        f"{draws} draws are too few to tell {names} from chance ({needed} are needed), so nothing could "
        f"be found"
    )


def _numbers(degree: str, some: Sequence[Finding], written: Callable[[float], str]) -> str:
    symbol = some[0].claim.scale.symbol
    values = listed([written(one.claim.trial.value) for one in some])
    chance = each([written(one.claim.trial.mean) for one in some])
    if degree == "no more":
        return f"{symbol} {values}, by chance {chance}; {would_be_seen(some, written)}"
    sizes = list(dict.fromkeys(one.size.partition(": ")[2] for one in some))
    what = listed(sizes) if len(sizes) == 1 else "; ".join(
        f"{one.label}: {one.size.partition(': ')[2]}" for one in some
    )  # fmt: skip
    p = each([p_text(one.verdict.p) for one in some])
    family = some[0].verdict.family
    of = f", corrected for {family} tests" if family > 1 else ""
    return f"{symbol} = {values} of 1, by chance {chance}: {what}, {p}{of}"


def would_be_seen(some: Sequence[Finding], written: Callable[[float], str] | None = None) -> str:
    """What “no more” never stands without: the excess over chance that the test would have found.

    Args:
        some: Findings that are no more than chance, in the order in which they are named; of more than three the
            least and the largest excess are said. Of correlations it is between what it would have
            seen nothing, of more than three the widest.
        written: How correlations are; by default as these are written alike.
    """
    if ends := [one for one in some if one.verdict.below is not None]:
        return _outside(ends, written or _written(ends))
    able = [one for one in some if _possible(one)]
    hidden = [one.label for one in some if not _possible(one)]
    if not able:
        return (
            "not even the largest excess that there can be would have been seen in 80 of 100 cases"
        )
    excesses = [one.verdict.detectable or 0.0 for one in able]
    if len(some) > _MOST_EXCESSES:
        said = " to ".join(dict.fromkeys([short(min(excesses)), short(max(excesses))]))
    else:
        said = each([short(excess) for excess in excesses])
    of_hidden = (
        f", and not even the largest that there can be of {listed(hidden)}" if hidden else ""
    )
    return seen_in_80(said) + of_hidden


def _outside(some: Sequence[Finding], written: Callable[[float], str]) -> str:
    """Of correlations, which have no excess that is one on either side."""
    means = [one.claim.trial.mean for one in some]
    low = [mean - (one.verdict.below or 0.0) for mean, one in zip(means, some, strict=True)]
    high = [mean + (one.verdict.detectable or 0.0) for mean, one in zip(means, some, strict=True)]
    if len(some) > _MOST_EXCESSES:
        low, high = [min(low)], [max(high)]
    ends = zip(map(written, low), map(written, high), strict=True)
    said = listed([span(*pair) for pair in ends])
    return f"{some[0].claim.scale.symbol} outside {said} would have been seen in 80 of 100 cases"


def seen_in_80(excess: str) -> str:
    """The one wording of `Verdict.detectable`."""
    return f"an excess of {excess} would have been seen in 80 of 100 cases"


def _possible(one: Finding) -> bool:
    """Whether there can be an excess that the test would have found."""
    return one.claim.trial.mean + (one.verdict.detectable or 0.0) <= 1


def hedge(findings: Sequence[Finding]) -> str:
    """How the verdicts were made, for a reader of several of them."""
    tests = max((one.verdict.family for one in findings), default=0)
    if not tests:
        return "Nothing was tested against chance."
    draws = sorted({one.claim.trial.draws for one in findings})
    some = span(str(draws[0]), str(draws[-1]))
    if all(one.hopeless for one in findings):
        return (
            f"“More” and “less” are said where p, corrected by Holm's method for all {tests} tests made here, is at "
            f"most {LEVEL}, which p of {some} draws of chance cannot be, whatever the adapters are."
        )
    return (
        f"“More” and “less” are said where p, corrected by Holm's method for all {tests} tests made "
        f"here, is at most {LEVEL}: if all were chance, anything at all would be said in one case of "
        f"twenty. p are two-sided, from {some} draws of chance each. “No more than chance” is no proof of "
        f"chance: beside it stands the excess that would have been seen in 80 of 100 cases."
    )
