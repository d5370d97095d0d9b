import pytest

from lora_lens.errors import DataError
from lora_lens.training.data.rows import Example, hold_out


def test_the_split_never_changes() -> None:
    """The order that Python's shuffle gives for seed 1, written down: runs compare over versions."""
    rows = [Example(str(index), None, 0) for index in range(30)]
    train, development = hold_out(rows, "t.csv", "")
    assert [int(row.first) for row in development] == [26, 16, 11]
    assert [int(row.first) for row in train] == [
        10, 23, 1, 5, 29, 7, 20, 9, 28, 17, 13, 0, 19, 22, 6, 12, 21, 14, 15, 3, 8, 2, 24, 25, 27, 18, 4,
    ]  # fmt: skip
    assert [int(row.first) for row in rows] == list(range(30))  # the caller's list is not shuffled


def test_a_tenth_is_rounded() -> None:
    for count, held_out in ((60, 6), (94, 9), (96, 10), (10, 1)):
        train, development = hold_out([Example("a", None, 0)] * count, "t.csv", "")
        assert (len(train), len(development)) == (count - held_out, held_out)


@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_too_few_rows_to_hold_any_out(count: int) -> None:
    with pytest.raises(DataError, match=f"^t.csv has {count} rows, too few to .*; pass more$"):
        hold_out([Example("a", None, 0)] * count, "t.csv", "pass more")
