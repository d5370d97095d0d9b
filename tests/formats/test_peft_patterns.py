"""The patterns of PEFT, against PEFT's own rule tried on every entry."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.errors import AdapterError
from lora_lens.formats.peft_patterns import patterns_of

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


def test_the_first_of_several_counts_and_a_dot_is_any_letter() -> None:
    said = {"self.value": 1, "self_value": 2, "value": 3}
    assert patterns_of(said).of("layer.0.self_value", 0) == 1
    assert patterns_of(said).of("layer.0.self.value", 0) == 1
    assert patterns_of(said).of("value", 0) == 3
    assert patterns_of(None).of("value", 0) == 0


@pytest.mark.parametrize(("said", "why"), [(["a"], "names to numbers"), ({"(": 1}, "no regular")])
def test_what_is_no_pattern(said: object, why: str) -> None:
    with pytest.raises(AdapterError, match=why):
        patterns_of(said)
