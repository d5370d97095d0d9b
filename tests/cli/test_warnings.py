"""What a command warns of is on standard error, a line each, also where it fails after that."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import run

import lora_lens as ll
from lora_lens import LensError, RankDeficientWarning
from lora_lens.report.asked import Asked

SPECTRUM = ("spectrum", str(ll.demo_adapter("lora")), "--module", "value")


@pytest.fixture(autouse=True)
def _as_python_shows_them() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def test_a_warning_before_an_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        warnings.warn("W0 is singular", RankDeficientWarning, stacklevel=1)
        raise LensError("no such thing")

    monkeypatch.setattr("lora_lens.questions.spectrum.analysis.spectrum", fail)
    result = run(*SPECTRUM)
    assert result.exit_code == 1
    assert result.stderr == "warning: W0 is singular\nlora-lens: no such thing\n"


def test_a_warning_is_said_where_python_is_told_to_be_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def warn(*_: Any, **__: Any) -> None:
        warnings.warn("W0 is singular", RankDeficientWarning, stacklevel=1)
        raise LensError("no such thing")

    monkeypatch.setattr("lora_lens.questions.spectrum.analysis.spectrum", warn)
    for quiet in ("ignore", "error"):  # as of PYTHONWARNINGS
        warnings.simplefilter(quiet)
        assert run(*SPECTRUM).stderr == "warning: W0 is singular\nlora-lens: no such thing\n"


def test_of_files_that_cannot_be_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        warnings.warn("boxes", UserWarning, stacklevel=1)
        raise LensError("no room")

    monkeypatch.setattr("lora_lens.questions.question.Question.write", fail)
    result = run(*SPECTRUM, "--out", tmp_path / "out")
    assert result.stderr == "warning: boxes\nlora-lens: no room\n"


def test_each_is_said_once_whoever_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib says the same of every figure in every file, and Python names the line of ours that drew it."""
    found = ll.spectrum(SPECTRUM[1], module="value")

    def warn(*_: Any, **__: Any) -> Any:
        for filename in ("one.py", "two.py"):
            warnings.warn_explicit("too small", UserWarning, filename, 1)
        return found

    monkeypatch.setattr("lora_lens.questions.spectrum.analysis.spectrum", warn)
    assert run(*SPECTRUM).stderr == "warning: too small\n"


def test_of_a_report_that_cannot_be_made_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, which would say it, is not there."""

    def fail(*_: Any) -> None:
        warnings.warn("W0 is singular", RankDeficientWarning, stacklevel=1)
        raise LensError("no inverse")

    monkeypatch.setattr(Asked, "ask", fail)
    result = run("--quiet", "report", SPECTRUM[1], "--out", tmp_path / "r.html")
    assert result.exit_code == 1
    assert result.stderr == "warning: W0 is singular\nlora-lens: no inverse\n"
    assert not (tmp_path / "r.html").exists()
