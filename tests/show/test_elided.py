"""Long names are as short as a figure has room for, and no two become one."""

from hypothesis import given
from hypothesis import strategies as st

from lora_lens.show.elided import elided

letters = st.text(alphabet="ab…1", max_size=24)


@given(st.lists(letters, max_size=12))
def test_different_names_stay_different_and_the_same_stay_the_same(names: list[str]) -> None:
    found = elided(names, 12)
    assert [names.index(name) for name in names] == [found.index(name) for name in found]
    assert all(len(name) <= 12 for name in found)
    assert all(a == b for a, b in zip(names, found, strict=True) if len(a) <= 12)


def test_a_hundred_names_that_differ_in_the_middle_alone() -> None:
    found = elided([f"{'a' * 100}{k:03}{'b' * 100}" for k in range(100)])
    assert len(set(found)) == 100
    assert max(map(len, found)) == 40
