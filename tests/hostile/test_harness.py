"""Hundreds of changed adapters: each is read, or refused in a line. `benchmarks/hostile.py` does a million."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hostile_changes import change
from hostile_seeds import seeds
from hostile_trial import STAGES, Bench, Forbidden, Watch, tally

COUNT = 800
SHM = Path("/dev/shm")
pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="its bounds are read from Linux's /proc")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    root = Path(tempfile.mkdtemp(dir=SHM))
    made = Bench(seeds(libraries=False), root)
    yield made
    made.close()
    shutil.rmtree(root)


def test_every_seed_is_read_as_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostile_trial.change", lambda *_: [])
    numbers: dict[int, int] = {}  # an input of each seed: a trial's first throw chooses it
    for number in range(2_000):
        numbers.setdefault(Random(f"5/{number}").randrange(len(bench.seeds)), number)
    outcomes = [bench.trial(5, number) for number in numbers.values()]
    assert {one.seed for one in outcomes} == {seed.name for seed in bench.seeds}
    # A θ needs its base, and one in five is not told it; a file alone is not looked for in folders or repositories.
    expected = ("base", "no adapter in or under", "could not be reached")
    odd = [
        one
        for one in outcomes
        if one.failed or (one.said and not any(words in one.said for words in expected))
    ]
    assert odd == []
    assert set.union(*({*one.reached} for one in outcomes)) == set(STAGES)


def test_changed_files_are_read_or_refused(bench: Bench) -> None:
    outcomes = [bench.trial(1, number) for number in range(COUNT)]
    assert [one for one in outcomes if one.failed] == []
    count = tally(outcomes)
    assert all(count[stage] > COUNT / 15 for stage in STAGES), count
    assert count["read"] > COUNT / 15


def test_a_number_names_an_input(bench: Bench) -> None:
    files = dict(bench.seeds[0].files)
    one, other = dict(files), dict(files)
    assert change(Random("0/7"), one) == change(Random("0/7"), other)  # type: ignore[arg-type]
    assert one == other
    first, second = bench.trial(0, 7), bench.trial(0, 7)
    assert first == second


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    """A watch that lets everything pass would find nothing for ever."""
    watch = Watch((str(tmp_path) + "/",), str(tmp_path), on=True)
    watch.audit("open", (str(tmp_path / "x"), "r", 0))
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    for event, given in (
        ("open", ("/etc/passwd", "r", 0)), ("open", (str(link), "r", 0)), ("socket.connect", (None, "x")),
        ("subprocess.Popen", ("x", [])), ("pickle.find_class", ("os", "system")), ("os.system", ("x",)),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            watch.audit(event, given)
    assert len(watch.seen) == 6


def test_what_is_wrong_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(ask: object) -> str:
        monkeypatch.setattr("hostile_trial._ask", ask)
        return next(one.failed or "" for one in [bench.trial(0, 1)])

    def fails(*_: object) -> None:
        raise KeyError("x")

    def opens(*_: object) -> None:
        try:
            Path("/etc/hostname").read_bytes()
        except BaseException:
            return

    kept: list[bytes] = []
    assert found(fails).startswith("KeyError")
    assert found(opens) == "opened /etc/hostname"
    assert "MiB" in found(lambda *_: kept.append(b"x" * (300 << 20)))
    assert found(lambda *_: None) == ""


def test_the_command_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "hostile.py"
    command = [
        sys.executable, str(script), "--count", "60", "--chunk", "20", "--processes", "2", "--no-libraries",
        "--out", str(tmp_path),
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "60 inputs, seed 0" in said
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == said
    assert "60 of 60 were done before" in again.stderr
