"""How long a report will take: proportions of the model, its correction, and what is said. Never seconds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.core.computing.work import Size, Work, seconds_of
from lora_lens.questions import comparison, grid, shared, similarity, spectrum
from lora_lens.questions.question import Question
from lora_lens.report import units
from lora_lens.report.analysis import analyse
from lora_lens.report.asked import ASKED
from lora_lens.report.forecast import Forecast, Part
from lora_lens.report.request import Request
from lora_lens.report.speed import measured_speed
from lora_lens.show.time_left import TimeLeft

SPEED = Work(40e9, 1.4e9, 5e4)
SIZE = Size(layers=6, rows=384, columns=384, rank=8, draws=200)
Counted = Callable[[Size], Work]


def counted_by(question: Question, **options: Any) -> Counted:
    return partial(question.part("work").work, **options)


of_similarity, of_shared, of_comparison, of_grid = (
    counted_by(one.QUESTION) for one in (similarity, shared, comparison, grid)
)
of_factors, of_spectra = (counted_by(spectrum.QUESTION, beside_w0=w0) for w0 in (False, True))
EVERY = [of_similarity, of_shared, of_comparison, of_grid, of_factors, of_spectra]


def seconds(counted: Counted, size: Size) -> float:
    return seconds_of(counted(size), SPEED)


@pytest.mark.parametrize("counted", EVERY)
@pytest.mark.parametrize("field", ["layers", "rows", "columns", "rank"])
def test_more_of_anything_takes_longer(counted: Counted, field: str) -> None:
    larger = SIZE._replace(**{field: 2 * getattr(SIZE, field)})
    assert seconds(counted, larger) > seconds(counted, SIZE)


@pytest.mark.parametrize("counted", [of_similarity, of_shared, of_comparison])
def test_draws_take_time_and_w0_takes_some_without_them(counted: Counted) -> None:
    without, more = (seconds(counted, SIZE._replace(draws=n)) for n in (0, 2000))
    assert 0 < without < seconds(counted, SIZE) < more < 10 * seconds(counted, SIZE)


def test_decompositions_grow_with_the_third_power() -> None:
    wide = Size(6, 8192, 8192, 16, 1)
    twice = wide._replace(rows=16384, columns=16384)
    for counted in (of_spectra, of_comparison):
        assert seconds(counted, twice) / seconds(counted, wide) == pytest.approx(8, rel=0.01)
    assert seconds(of_spectra, wide) == pytest.approx(3 * seconds(of_comparison, wide), rel=0.01)


def test_shared_outlasts_similarity_as_it_does() -> None:
    # 12 layers of 768², 8 and 32 of 256²: 14, 14 and 27 times the others (docs/benchmarks.md), whose draws are
    # of one null; of two, as here, 6.7, 4.7 and 7.7 times.
    for layers, width, measured in ((12, 768, 6.7), (8, 256, 4.7), (32, 256, 7.7)):
        size = Size(layers, width, width, 8, 200)
        ratio = seconds(of_shared, size) / seconds(of_similarity, size)
        assert 0.5 < ratio / measured < 2


def test_every_question_of_a_report_counts_its_work() -> None:
    for one in ASKED:
        assert seconds_of(one.work(SIZE), SPEED) > 0


def test_one_layer_shares_nothing() -> None:
    one = SIZE._replace(layers=1)
    assert 0 < seconds(of_shared, one) <= seconds(of_similarity, one)


def test_a_machine_has_a_speed_of_each_kind() -> None:
    speed = measured_speed(torch.device("cpu"))
    assert all(0 < rate < 1e16 for rate in speed)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, forecast: Forecast) -> TimeLeft:
        self.now += seconds
        return forecast.next()


def test_a_question_that_takes_longer_corrects_its_own_forecast_alone() -> None:
    clock = Clock()
    parts = [Part("one", 1.0), Part("other", 10.0), Part("one", 2.0), Part("other", 10.0)]
    forecast = Forecast(parts, clock)
    assert forecast.ahead == TimeLeft(0, 4, 0.0, 23.0)
    assert clock.after(3, forecast) == TimeLeft(1, 4, 3 / 29, 26.0)
    assert clock.after(5, forecast) == TimeLeft(2, 4, 8 / 19, 11.0)
    clock.after(6, forecast)
    assert clock.after(5, forecast) == TimeLeft(4, 4, 1.0, 0)


@pytest.mark.parametrize("times", [0.1, 1, 10])
def test_a_long_part_moves_within_and_is_never_more_than_all(times: float) -> None:
    clock = Clock()
    forecast = Forecast([Part("one", 10.0), Part("other", 30.0)], clock)
    seen = [forecast.ahead]
    for step in range(1, 11):
        clock.now = step * times
        seen.append(forecast.within(step, 10))
    shares = [one.share for one in seen]
    assert shares == sorted({*shares})
    assert {one.done for one in seen} == {0}
    assert seen[-1] == TimeLeft(0, 2, 10 * times / (10 * times + 30), 30.0)
    # Halfway, half of the forecast is corrected by what it has taken.
    assert seen[5].seconds == pytest.approx(0.5 * (5 * times + 0.5 * 10) + 30)
    assert forecast.next() == TimeLeft(1, 2, 10 * times / (10 * times + 30), 30.0)
    assert forecast.within(7, 5).share == 1


@pytest.fixture
def lora() -> ll.Adapter:
    return ll.load_adapter(ll.demo_adapter("lora"))


def test_it_is_told_before_and_after_every_question(
    lora: ll.Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "measured_speed", lambda _: SPEED)
    told: list[TimeLeft] = []
    analyse([lora], Request(modules=("value",), draws=2), told.append)
    alone = [one.question.name for one in ASKED if one.needs != "other"]
    done = [one.done for one in told]
    assert done == sorted(done)
    assert {(one.done, one.parts) for one in told} == {
        (k, len(alone)) for k in range(len(alone) + 1)
    }
    assert all(done.count(alone.index(name)) > 5 for name in ("similarity", "shared"))
    assert all(0 <= one.share <= 1 for one in told)
    assert told[0].share == 0
    assert told[0].seconds > 0
    assert told[-1][2:] == (1.0, 0)
    counted: list[tuple[int, int]] = []
    ll.report(
        lora, out="/dev/null", module="value", draws=2, progress=lambda *at: counted.append(at)
    )
    assert counted == [(k + 1, len(alone)) for k in range(len(alone))]


def run(lora: ll.Adapter, out: Path, *options: Any) -> str:
    arguments = ["report", lora.source, "-o", out, "-m", "value", "--draws", 2, *options]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stderr


def test_what_the_command_says_first(
    lora: ll.Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "measured_speed", lambda _: Work(1e30, 1e30, 1e30))
    out = tmp_path / "r.html"
    assert run(lora, out).splitlines()[0] == "3 parts, a few seconds"
    assert run(lora, out, "--quiet") == ""
    monkeypatch.setattr(units, "seconds_of", lambda *_: 40.0)
    assert run(lora, out).splitlines()[0] == "3 parts, about 2 minutes"
