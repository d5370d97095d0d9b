"""The patterns of PEFT, against PEFT's own rule tried on every entry."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike, write_lora
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens import load_adapter
from lora_lens.errors import AdapterError
from lora_lens.formats.peft.bounded_expressions import Budget, expression
from lora_lens.formats.peft.patterns import AFTER_A_DOT, LYCORIS_BEFORE_0_15, patterns_of

PART = st.sampled_from(["a", "b", "ab", "q", "0", "10"])
PATHS = st.lists(PART, min_size=1, max_size=4).map(".".join)
ENTRIES = st.one_of(
    PATHS,
    st.text(alphabet="abq01.", min_size=1, max_size=6),
    st.sampled_from([r".*\.q", r"a|b", r"(a|q)\.b", r"^a.*", r"[ab]+", r"a.b", r"\d+\.q", "q$"]),
)


def slow(said: dict[str, int], path: str) -> int | None:
    return next((v for text, v in said.items() if re.match(rf"(.*\.)?({text})$", path)), None)


@given(st.lists(ENTRIES, unique=True, max_size=8), PATHS)
def test_equals_the_rule_tried_on_every_entry(entries: list[str], path: str) -> None:
    said = {text: k for k, text in enumerate(entries)}
    assert patterns_of(said).of(path, None) == slow(said, path)


@given(st.lists(ENTRIES, unique=True, max_size=8), PATHS)
def test_the_rules_of_other_methods_and_times_are_theirs(entries: list[str], path: str) -> None:
    """FourierFT and C3A until 0.21, LoHa and LoKr until 0.14: no parentheses; the first two fall back on the path."""
    said = {text: k for k, text in enumerate(entries)}
    after = next((v for text, v in said.items() if re.match(rf".*\.{text}$", path)), said.get(path))
    assert patterns_of(said, AFTER_A_DOT).of(path, None) == after
    before = next((v for text, v in said.items() if re.match(rf"(.*\.)?{text}$", path)), None)
    assert patterns_of(said, LYCORIS_BEFORE_0_15).of(path, None) == before


def test_the_first_of_several_counts_and_a_dot_is_any_letter() -> None:
    said = {"self.value": 1, "self_value": 2, "value": 3}
    assert patterns_of(said).of("layer.0.self_value", 0) == 1
    assert patterns_of(said).of("layer.0.self.value", 0) == 1
    assert patterns_of(said).of("value", 0) == 3
    assert patterns_of(None).of("value", 0) == 0


@given(st.lists(ENTRIES, unique=True, max_size=8), st.lists(PATHS, max_size=4))
def test_those_that_match_nothing_are_those_of_the_rule(
    entries: list[str], paths: list[str]
) -> None:
    nowhere = [text for text in entries if all(slow({text: 1}, path) is None for path in paths)]
    assert patterns_of(dict.fromkeys(entries, 1)).without_match(paths) == nowhere


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"rank_pattern": {"nonexistent": 3}}, "matches nonexistent of rank_pattern:"),
        ({"alpha_pattern": {"que": 32, "value": 8}}, "matches que of alpha_pattern:"),
        (
            {"rank_pattern": dict.fromkeys("abcde", 1), "alpha_pattern": {"y": 1}},
            "matches a, b, c and 2 more of rank_pattern and y of alpha_pattern:",
        ),
        ({"alpha_pattern": {"query": 32, r"layer\.\d\..*value": 8}}, None),
    ],
)
def test_an_entry_that_matches_no_module_is_told(
    tmp_path: Path, config: dict[str, Any], said: str | None
) -> None:
    write_lora(tmp_path / "lora", BertLike(), config=config)
    notes = [
        note for note in load_adapter(tmp_path / "lora").notes if "no module of the file" in note
    ]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


def test_of_many_expressions_and_paths_nothing_is_tried() -> None:
    entries = {f"^layers.{k}": 1 for k in range(1100)} | {"q_pro": 1}
    assert patterns_of(entries).without_match([f"h.{k}.q" for k in range(1000)]) == ["q_pro"]


@pytest.mark.parametrize(("said", "why"), [(["a"], "names to numbers"), ({"(": 1}, "no regular")])
def test_what_is_no_pattern(said: object, why: str) -> None:
    with pytest.raises(AdapterError, match=why):
        patterns_of(said)


LETTER = st.sampled_from(
    ["a", "b", ".", r"\.", r"\w", r"\d", r"\S", "[ab]", "[^a.]", r"[\d_]", "0", "q"]
)
EXPRESSIONS = st.recursive(
    LETTER,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join).map("({})".format),
        inner.map("(?:{})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}?", "{2,}"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
        st.tuples(inner, st.sampled_from(["(?={})", "(?!{})"])).map(lambda both: both[1].format(both[0])),
        inner.map(lambda one: f"^{one}"),
        inner.map(lambda one: rf"{one}\b"),
        LETTER.map("(?<={})".format),
        LETTER.map("(?<!{})".format),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, st.text("ab.0q_", max_size=7))
def test_all_ways_at_once_equal_one_after_the_other(text: str, path: str) -> None:
    one = expression(text, r"(.*\.)?(", ")$", Budget())
    wanted = re.match(rf"(.*\.)?({text})$", path) is not None
    assert one.matches(path) == wanted
    assert replace(one, fast=None).matches(path) == wanted


HANGS = ["(a+)+b", "(a|a)*b", "(a*)*b", r"(\w+\.?)+!", "a?" * 40 + "a" * 40, "(a|aa)+$b", ".*.*.*.*.*.*.*b",
         "(?=(a+)+b)a*", "(a{1,50}){1,50}b", "((a|b)*c)*d"]  # fmt: skip


@pytest.mark.parametrize("text", HANGS)
def test_what_would_hang_is_matched_in_few_steps(text: str) -> None:
    patterns = patterns_of({text: 4})
    assert patterns.of("a" * 200, 8) == 8
    assert patterns.budget.left > Budget().left - 100_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a{99999999999}", "no regular expression: the repetition number is too large"),
        ("(" * 3000 + "a" + ")" * 3000, "has 6,001 letters"),
        ("(" * 990 + "a" + ")" * 990, "nested too deeply"),
        (r"(a+)\1", "groupref"),
        ("(?i:q)", "subpattern"),
        ("(?>a+)b", "atomic_group"),
        ("a" * 3000 + "|", "expected at most"),
        ("[z-a]+", "bad character range"),
        ("(?P<x>a)(?(x)b|c)", "groupref"),
    ],
)
def test_what_cannot_be_bounded_is_an_error_of_one_line(text: str, why: str) -> None:
    with pytest.raises(AdapterError, match=why) as caught:
        patterns_of({text: 4}).of("a" * 50, 8)
    assert len(str(caught.value)) < 1500
    assert "\n" not in str(caught.value)


def test_many_patterns_on_many_paths_end() -> None:
    patterns = patterns_of({f"(a|b){{1,{k}}}c": k for k in range(1, 20)})
    patterns.budget.left = 10_000
    with pytest.raises(AdapterError, match="take too long"):
        [patterns.of("ab" * 60 + str(k), 8) for k in range(20)]
