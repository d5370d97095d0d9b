"""What findings are called, how large, and in which sentences."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lora_lens.chance.detectable import detectable_deviations
from lora_lens.chance.verdict import Trial, Verdict
from lora_lens.demo.lines import _verdict
from lora_lens.report.summary import Strip, headline
from lora_lens.show.findings import (
    PHI,
    SHARE,
    Claim,
    Finding,
    Scale,
    found,
    hedge,
    p_text,
    short,
    told,
    would_be_seen,
)

TRIAL = Trial(value=0.04, mean=0.02, sd=0.002, p=0.005, draws=199)
PATTERN = "{names} {are} {degree} alike than chance makes them"


def claim(label: str = "A", **changes: object) -> Claim:
    return Claim(f"{label} alike", label, PHI, "propagated", replace(TRIAL, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, "φ = 0.040 of 1: nearly orthogonal, a trace above chance"),
        ({"value": 0.01}, "φ = 0.010 of 1: a trace below chance"),
        ({"p": 0.3}, "φ = 0.040 of 1: nearly orthogonal"),
        ({"value": 0.2}, "φ = 0.20 of 1: partly alike, somewhat above chance"),
        ({"value": 0.45}, "φ = 0.45 of 1: partly alike, well above chance"),
        ({"value": 0.7}, "φ = 0.70 of 1: more alike than not, far above chance"),
        ({"value": 0.93}, "φ = 0.93 of 1: nearly the same subspace, far above chance"),
        ({"value": 1.0}, "φ = 1 of 1: the same subspace, far above chance"),
    ],
)
def test_a_size_is_said_beside_what_it_means(changes: dict[str, float], size: str) -> None:
    (one,) = found([claim(**changes)])
    assert one.size == size


def test_shares_have_words_of_their_own() -> None:
    (one,) = found([replace(claim(value=0.6), scale=SHARE)])
    assert one.size == "share = 0.60 of 1: most of it, far above chance"


def test_json_has_the_contracts_keys() -> None:
    (one,) = found([claim()])
    row = one.to_dict()
    assert list(row)[:5] == ["about", "verdict", "p", "size", "detectable"]
    assert (row["verdict"], row["p"], row["family"]) == ("more", 0.005, 1)
    assert row["words"] == "more than chance"
    endless = (1.959964 + 0.841621) * 0.002  # by draws without number
    assert endless < row["detectable"] < 1.03 * endless
    assert row["detectable"] == pytest.approx(detectable_deviations(0.05, 199) * 0.002)


def test_findings_of_one_verdict_are_told_together() -> None:
    more, less, unseen = claim("A"), claim("B", value=0.01), claim("BA", p=0.4, value=0.021)
    text = told((found([more, less, unseen]), PATTERN))
    assert text == (
        "A is more alike than chance makes them (φ = 0.040 of 1, by chance 0.020: nearly orthogonal, a "
        "trace above chance, p = 0.015, corrected for 3 tests); B is less alike than chance makes them "
        "(φ = 0.010 of 1, by chance 0.020: a trace below chance, p = 0.015, corrected "
        "for 3 tests); BA is no more alike than chance makes them (φ 0.021, by chance 0.020; an excess of "
        "0.0067 would have been seen in 80 of 100 cases)"
    )
    both = told((found([more, claim("B")]), PATTERN))
    assert both.startswith(
        "A and B are more alike than chance makes them (φ = 0.040 and 0.040 of 1"
    )


def test_what_could_not_be_found_is_said_once() -> None:
    few = found([claim(label, draws=9, p=0.1) for label in "AABB"])
    text = told((few[:2], PATTERN), (few[2:], "of another, {names} {are} {degree} alike"))
    assert text == (
        "9 draws are too few to tell A and B from chance (79 are needed), so nothing could be found"
    )


def test_the_hedge_says_how_verdicts_are_made() -> None:
    assert hedge([]) == "Nothing was tested against chance."
    said = hedge(found([claim(), claim("B", draws=999)]))
    assert "Holm's method for all 2 tests" in said
    assert "from 199 to 999 draws" in said
    assert "no proof of chance" in said
    none = hedge(found([claim(label, draws=9, p=0.1) for label in "AABB"]))
    assert none.endswith(
        "for all 4 tests made here, is at most 0.05, which p of 9 draws of chance cannot be, whatever the adapters are."
    )


def test_numbers_are_short() -> None:
    values = (0.0213, 0.3, 0.9949, 0.996, 0.00012, 0.000003)
    assert [short(value) for value in values] == [
        "0.021", "0.30", "0.99", "1", "0.00012", "0.0000",
    ]  # fmt: skip
    assert [p_text(p) for p in (0.0204, 0.0002)] == ["p = 0.020", "p < 0.001"]


def of(findings: tuple[Finding, ...]) -> Any:
    """What a report's headline reads of its analyses."""
    asked = SimpleNamespace(question=SimpleNamespace(asks="Alike?"))
    module = SimpleNamespace(module="value", of=(0,))
    return SimpleNamespace(findings=[(module, asked, one) for one in findings], label=lambda _: "")


def test_one_verdict_has_one_wording_everywhere() -> None:
    """It was “no more”, “not told from chance” and “no more is seen”, the last two without what would have been."""
    more, unseen, few = claim(), claim("B", p=0.4, value=0.021), claim(draws=3, p=0.3)
    assert [one.words for one in found([more, unseen])] == [
        "more than chance", "no more than chance",
    ]  # fmt: skip
    none = found([unseen, unseen])
    excess = "an excess of 0.0063 would have been seen in 80 of 100 cases"
    assert would_be_seen(none) == Strip("value", none[0]).small == excess
    assert excess in told((none, PATTERN))
    assert headline(of(none)) == f"None of 2 tests finds more than chance: {excess}."
    assert headline(of(none[:1])) == f"The one test does not find more than chance: {excess}."
    assert _verdict(none) == "no more; +0.0063 would show"
    assert _verdict(none, percent=True) == "no more; +0.6 would show"
    assert headline(of(found([more, unseen]))).startswith(
        "1 of 2 tests finds more than chance: “Alike?” more in 1 test, A of value at φ = "
    )
    hopeless = found([few])
    assert _verdict(hopeless) == hopeless[0].words == "too few draws to tell"
    assert "3 draws are too few to tell anything from chance (19 are needed)" in headline(
        of(hopeless)
    )


def test_of_many_tests_the_least_and_the_largest_excess_are_said() -> None:
    some = found([claim(str(k), p=0.4, sd=0.001 * (k + 1)) for k in range(5)])
    assert would_be_seen(some) == (
        f"an excess of {short(some[0].verdict.detectable or 0)} to "
        f"{short(some[-1].verdict.detectable or 0)} would have been seen in 80 of 100 cases"
    )


def test_an_excess_that_there_cannot_be_is_none_that_would_have_been_seen() -> None:
    seen, unseen = found([claim(p=0.4), claim("B", p=0.4, value=0.9, sd=0.5)])
    assert would_be_seen([unseen]) == (
        "not even the largest excess that there can be would have been seen in 80 of 100 cases"
    )
    assert would_be_seen([seen, unseen]) == (
        f"an excess of {short(seen.verdict.detectable or 0)} would have been seen in 80 of 100 cases, and not even the "
        f"largest that there can be of B"
    )


def test_the_demos_line_says_less_beside_more() -> None:
    both = found([claim(), claim("B", value=0.01)])
    assert _verdict(both) == "A more, B less, p = 0.010"


def correlated(label: str, low: float, high: float) -> Finding:
    scale = Scale("r", ((0.0, "rising"), (-1.0, "falling")), lambda r: f"{r:+.1f}")
    trial = Trial(0.2, 0.5, 0.1, 0.3, draws=199, correlation=True)
    verdict = Verdict("not seen", 0.3, high - 0.5, 1, below=0.5 - low)
    return Finding(Claim(label, label, scale, "random", trial), verdict)


def test_of_a_correlation_both_ends_are_told() -> None:
    """An excess that is found has no mirror below; it read “not even the largest excess that there can be”."""
    some = [correlated("A", -0.5, 0.9), correlated("B", -0.2, 0.8)]
    assert would_be_seen(some) == (
        "r outside -0.5 to +0.9 and -0.2 to +0.8 would have been seen in 80 of 100 cases"
    )
    assert would_be_seen(2 * some).startswith("r outside -0.5 to +0.9 would")
    assert some[0].excess == pytest.approx(-0.3)  # a difference
    assert some[0].size == "r = +0.2 of 1: rising"
    assert some[0].to_dict()["detectable_below"] == 1.0
    assert "detectable_below" not in Finding(claim(), Verdict("not seen", 0.3, 0.1, 1)).to_dict()
