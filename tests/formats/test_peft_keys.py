import re

from hypothesis import given
from hypothesis import strategies as st

from lora_lens.formats.peft.keys import pattern_keys

PARTS = st.sampled_from(["a", "b", "aXb", "h", "1", "11", "q"])
PATHS = st.lists(st.lists(PARTS, min_size=1, max_size=4).map(".".join), unique=True, max_size=12)


def plainly(paths: list[str]) -> dict[str, str]:
    """Every path against every other one by PEFT's own expression."""
    keys = {}
    for name in paths:
        matches = [path for path in paths if re.match(rf"(.*\.)?({name})$", path)]
        keys[name] = name if len(matches) == 1 else f"^{re.escape(name)}"
    return keys


@given(PATHS)
def test_keys_are_those_of_every_pair(paths: list[str]) -> None:
    assert pattern_keys(paths) == plainly(paths)


def test_paths_that_are_no_plain_expressions() -> None:
    paths = ["a+b.q", "aab.q", "x.aab.q", "b.q"]
    assert pattern_keys(paths) == plainly(paths)


def test_work_grows_with_the_paths_not_with_their_pairs() -> None:
    paths = [f"model.layers.{k}.self_attn.{m}_proj" for k in range(3000) for m in "qkvo"]
    assert pattern_keys(paths) == {path: path for path in paths}  # a minute by pairs
