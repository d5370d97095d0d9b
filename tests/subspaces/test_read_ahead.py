import threading
from collections.abc import Iterator

import pytest

from lora_lens.subspaces.read_ahead import read_ahead


def test_one_is_made_while_the_one_before_is_used_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for k in range(4):
            made.append(k)
            if k == 1:
                second.set()
            yield k

    reading = read_ahead(items())
    assert next(reading) == 0
    assert second.wait(10)
    assert made == [0, 1]
    assert list(reading) == [1, 2, 3]


def test_an_error_comes_where_its_item_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    reading = read_ahead(items())
    assert next(reading) == 1
    with pytest.raises(OSError, match="no more"):
        next(reading)


def test_it_can_be_left_early() -> None:
    before = threading.active_count()
    reading = read_ahead(range(10))
    next(reading)
    reading.close()
    assert threading.active_count() == before
