import pytest

from lora_lens.show.time_left import TimeLeft, foretold, left, roughly


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds"),
        (8, "about 10 seconds"),
        (29, "about 30 seconds"),
        (55, "about 1 minute"),
        (100, "about 2 minutes"),
        (50 * 60, "about 45 minutes"),
        (3700, "about 1 hour"),
        (30 * 3600, "about 1 day"),
        (40 * 86400, "about 45 days"),
        (1e12, "about 50000 days"),
    ],
)
def test_one_digit(seconds: float, said: str) -> None:
    assert roughly(seconds) == said


def test_longer_is_never_said_to_be_shorter() -> None:
    units = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
    before = 0
    for k in range(300):
        seconds = 6 * 1.05**k
        _, number, unit = roughly(seconds).split()
        said = int(number) * units[unit.rstrip("s")]
        assert before <= said
        assert 0.55 < said / seconds < 1.8
        before = said


def test_what_is_said_before_and_while_it_goes_on() -> None:
    assert foretold(TimeLeft(0, 8, 0.0, 99)) == "8 parts, about 2 minutes"
    assert foretold(TimeLeft(0, 1, 0.0, 1)) == "1 part, a few seconds"
    assert left(TimeLeft(3, 8, 0.4, 61)) == "3/8, about 1 minute left"
    assert left(TimeLeft(8, 8, 1.0, 0)) == "8/8, writing"
