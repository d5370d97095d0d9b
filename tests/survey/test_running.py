"""Who does the work changes no byte; what goes wrong in one place or adapter loses nothing else."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkpoints import BertLike, write_base
from made_runs import everything, places, write_adapter
from safetensors.numpy import load_file, save_file
from survey_tasks import (
    always_dies,
    dies_of_bad,
    dies_once,
    doubled,
    ended_while_it_starts,
    ends_after_the_first,
    in_a_pools_hands,
    killed_as_it_starts,
)

import lora_lens as ll
from lora_lens.errors import AdapterError, LensError, MissingExtraError, OutputError
from lora_lens.survey import place, planning, running, sources, write
from lora_lens.survey.earlier import check_no_others
from lora_lens.survey.reading import ReadTask
from lora_lens.survey.roots import roots
from lora_lens.survey.running import Runner
from lora_lens.survey.table import PlaceTable
from lora_lens.survey.task import PlaceTask


@pytest.fixture
def serial(dozen: Path, tmp_path: Path) -> dict[str, bytes]:
    """All that a survey of the dozen writes, one place after another."""
    ll.survey(dozen, tmp_path / "serial")
    return everything(tmp_path / "serial")


@pytest.mark.usefixtures("forked")
def test_processes_give_the_same_bytes_though_one_is_killed(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    killed = []

    def kill(done: int, total: int) -> None:
        if done > 12 and not killed:  # the first place
            killed.append(active_children()[0])
            killed[0].kill()

    result = ll.survey(dozen, tmp_path / "out", processes=2, progress=kill)
    assert killed
    assert result.missing == 0
    assert everything(tmp_path / "out") == serial
    assert not list((tmp_path / "out").rglob(".lora-lens*"))


def test_a_process_that_is_killed_as_it_starts_ends_nothing(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the others of its pool along, none of which had begun: as of a script that they cannot run."""
    monkeypatch.setenv("KILLED", str(tmp_path / "killed"))
    monkeypatch.setattr(running, "_begin", killed_as_it_starts)
    ll.survey(dozen, tmp_path / "out", processes=2)
    assert (tmp_path / "killed").exists()
    assert everything(tmp_path / "out") == serial


def test_any_executor_will_do(dozen: Path, tmp_path: Path, serial: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(1) as executor:
        ll.survey(dozen, tmp_path / "out", executor=executor)
    assert everything(tmp_path / "out") == serial


def test_dask_gives_the_same_bytes_though_a_worker_is_killed(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    distributed = pytest.importorskip("distributed")
    killed = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:

        def kill(done: int, total: int) -> None:
            if done > 12 and not killed:
                killed.append(next(iter(cluster.workers.values())))
                os.kill(killed[0].pid, 9)

        result = ll.survey(
            dozen, tmp_path / "out", scheduler=cluster.scheduler_address, progress=kill
        )
    assert killed
    assert result.missing == 0
    assert everything(tmp_path / "out") == serial


def test_a_dask_scheduler_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    dask, distributed = map(pytest.importorskip, ("dask", "distributed"))
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        running.dask_runner(cluster.scheduler_address) as runner,
    ):
        done = {one.index: one for one in runner.run(doubled, [1, -1])}
        assert (done[0].value, done[1].reason) == (2, "ZeroDivisionError: -1 is below 0")
        ended = runner.run(ends_after_the_first, [(tmp_path, k) for k in range(3)])
        assert next(ended).value == 0
        # Not yet the cluster: it would wait for its worker, whose task waits for ``end``.
        cluster.sync(cluster.scheduler.close)
        (tmp_path / "end").touch()
        reasons = {one.reason for one in ended}
        with dask.config.set({"distributed.comm.timeouts.connect": "100ms"}):  # nobody is there
            cluster.close()
    assert reasons == {
        f"the Dask scheduler at {cluster.scheduler_address} is gone; start one, and run the survey again"
    }


def test_shards_and_a_last_call_give_the_same_bytes(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    first = ll.survey(dozen, out, shard="1/3")
    assert (first.places, first.missing, first.files) == (4, 2, ())
    assert "2 of 4 places" in first.summary
    assert {path.name for path in out.iterdir()} == {"places"}
    ll.survey(dozen, out, shard="2/3")
    before = {path: path.stat().st_mtime_ns for path in (out / "places").iterdir()}
    last = ll.survey(dozen, out, shard="3/3")
    assert last.missing == 0
    assert everything(out) == serial
    ll.survey(dozen, out)
    assert everything(out) == serial
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


def test_what_is_there_is_not_done_again(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ll.survey(dozen, out)
    done: list[str] = []
    plain = place.run_place
    monkeypatch.setattr(write, "run_place", lambda task: (done.append(task.file), plain(task)))
    ll.survey(dozen, out)
    assert done == []
    names = sorted(places(out))
    (out / "places" / names[0]).unlink()
    cut = out / "places" / names[1]
    cut.write_bytes(cut.read_bytes()[:-9])  # as a disk that lost its last block
    ll.survey(dozen, out)
    assert sorted(done) == names[:2]
    assert everything(out) == serial


def test_only_places_whose_numbers_changed_are_done_again(dozen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ll.survey(dozen, out, questions=["spectrum"])
    before = places(out)
    # The same query, another value.
    tensors = load_file(dozen / "seed-11" / "adapter_model.safetensors")
    moved = {name: 2 * x if "value" in name else x for name, x in tensors.items()}
    save_file(moved, dozen / "seed-11" / "adapter_model.safetensors")
    ll.survey(dozen, out, questions=["spectrum"])
    after = places(out)
    same = set(before) & set(after)
    assert {name.split(".")[0] for name in same} == {"query"}
    assert {name.split(".")[0] for name in set(after) - same} == {"value"}
    assert len(after) == 4  # what was of the survey before is gone
    ll.survey(dozen, out, questions=["spectrum", "pairs"])
    assert not set(places(out)) & set(after)


def test_a_bad_adapter_is_recorded_and_changes_nothing_else(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    cut = write_adapter(dozen / "seed-40", seed=40) / "adapter_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    (write_adapter(dozen / "seed-41", seed=41) / "adapter_config.json").write_text("{")
    write_adapter(dozen / "seed-42", lambda *_: (np.full((3, 24), np.nan), np.ones((24, 3))))
    (dozen / "seed-43").mkdir()
    (dozen / "seed-43" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    result = ll.survey([dozen, tmp_path / "no such folder"], tmp_path / "out")
    assert result.adapters == 12
    failed = result.table("failed").set_index("adapter")["reason"]
    assert len(failed) == 5
    assert all("\n" not in reason and len(reason) > 10 for reason in failed)
    for name, word in (("40", "whole"), ("41", "JSON"), ("42", "NaN"), ("43", "holds no")):
        assert word in failed[str(dozen / f"seed-{name}")]
    assert places(tmp_path / "out") == {
        name.removeprefix("places/"): data for name, data in serial.items() if "places/" in name
    }
    assert everything(tmp_path / "out")["pairs.csv"] == serial["pairs.csv"]


def test_tables_of_pairs_hold_nothing_of_adapters_that_could_not_be_read(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    """Not as many empty names, either: pyarrow would write what lay in memory behind those that are told apart."""
    for k in range(3):
        (dozen / f"a-{k}").mkdir()
        (dozen / f"a-{k}" / "adapter_config.json").write_text("{")
    result = ll.survey(dozen, tmp_path / "out")
    assert len(result.table("failed")) == 3
    after = everything(tmp_path / "out")
    for name in ("pairs.parquet", "interference.parquet"):
        assert after[name] == serial[name]


def test_untrained_adapters_and_lower_ranks_are_said_and_left_out_where_they_have_nothing(
    dozen: Path, tmp_path: Path
) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    write_adapter(dozen / "untrained", lambda *_: (rng.standard_normal((3, 24)), np.zeros((24, 3))))
    write_adapter(dozen / "small", seed=60, rank=2)
    result = ll.survey(dozen, tmp_path / "out", rank=3)
    failed = result.table("failed")
    assert set(failed["adapter"]) == {"untrained", "small"}
    assert failed["reason"].str.contains("rank 2").sum() == 2 * 4
    assert failed["reason"].str.contains("all zero").sum() == 4
    pairs = result.table("pairs")
    a, b = (pairs[pairs["matrix"] == matrix] for matrix in "AB")
    assert len(a) == 13 * 12 // 2
    assert len(b) == 12 * 11 // 2
    own = ll.survey(dozen, tmp_path / "own").table("pairs")
    assert len(own[own["matrix"] == "A"]) == 14 * 13 // 2
    assert own["phi"].between(0, 1).all()


def test_a_full_disk_leaves_whole_files_and_the_same_call_goes_on(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = PlaceTable.add

    def full(self: PlaceTable, question: str, columns: object) -> None:
        if self._place["layer"] == 1 and self._place["module"] == "query" and question == "pairs":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(self, question, columns)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(PlaceTable, "add", full)
        with pytest.raises(LensError, match=r"1 of 4 places failed.*No space left") as caught:
            ll.survey(dozen, out)
    assert "\n" not in str(caught.value)
    assert len(places(out)) == 3
    assert not list(out.rglob(".lora-lens*"))
    assert f"places failed, the others are in {out}; the same" in str(caught.value)
    told = json.loads((out / "survey.json").read_text())
    assert told["failed"][0]["module"] == "query"
    assert told["summary"].startswith("12 adapters at 3 places. 1 of 4 places failed, and nothing")
    ll.survey(dozen, out)
    assert everything(out) == serial


def test_places_that_all_fail_leave_an_earlier_survey_as_it_is(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its summary was written over by one of no place, beside its own tables."""
    out, failing = tmp_path / "out", {"query.0", "query.1", "value.0", "value.1"}
    ll.survey(dozen, out, questions=["spectrum", "interference"])
    before = everything(out)
    plain = place.run_place

    def run(task: PlaceTask) -> str:
        if task.place.label in failing:
            raise MemoryError
        return plain(task)

    monkeypatch.setattr(write, "run_place", run)
    with pytest.raises(
        LensError,
        match=r"^4 of 4 places failed; the same command goes on with them. query 0: out of memory$",
    ):
        ll.survey(dozen, out, questions=["spectrum"])
    assert everything(out) == before
    failing.remove("value.1")
    removed = "interference.parquet, interference.csv, merges.parquet, merges.csv of an earlier survey are removed"
    with pytest.raises(LensError, match=rf"^3 of 4 places failed, the others are in .*{removed}"):
        ll.survey(dozen, out, questions=["spectrum"])
    after = everything(out)
    assert {name for name in before if "places/" in name} <= set(after)
    assert not {name for name in after if name.startswith(("interference", "merges"))}
    assert "3 of 4 places failed" in (out / "survey.md").read_text()


def test_a_place_that_is_there_has_not_failed(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a cluster that is lost after it has done it."""
    plain = place.run_place

    def run(task: PlaceTask) -> str:
        done = plain(task)
        if task.place.label == "query.0":
            raise ConnectionError
        return done

    monkeypatch.setattr(write, "run_place", run)
    result = ll.survey(dozen, tmp_path / "out", questions=["spectrum"])
    assert (result.missing, result.failed) == (0, ())


def test_a_disk_that_is_full_at_the_join_loses_no_place(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(write, "as_json", full)
        with pytest.raises(OutputError, match="No space left"):
            ll.survey(dozen, out)
    assert {path.name for path in out.iterdir()} == {"places"}
    ll.survey(dozen, out)
    assert everything(out) == serial


def test_another_survey_is_not_written_over(dozen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ll.survey(dozen, out)
    before = everything(out)
    with pytest.raises(
        OutputError, match=r"survey of 12 adapters, of which seed-0 and 10 more would be lost"
    ):
        ll.survey(dozen / "seed-3", out)
    assert everything(out) == before
    result = ll.survey(dozen, out, questions=["spectrum"])
    assert any(
        "removed what an earlier survey of other questions left: pairs" in note
        for note in result.notes
    )
    assert not (out / "pairs.parquet").exists()


def test_an_adapter_that_is_gone_since_is_left_out(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dozen.parent)
    typed = [f"{dozen.name}/{path.name}" for path in sorted(dozen.iterdir())]
    ll.survey(typed, tmp_path / "out")
    shutil.rmtree(dozen / "seed-3")
    result = ll.survey(typed, tmp_path / "out")
    assert result.adapters == 11
    assert len(result.failed) == 1
    shutil.rmtree(dozen / "seed-4")
    (tmp_path / "link").symlink_to(dozen)
    assert ll.survey(tmp_path / "link" / ".." / dozen.name, tmp_path / "out").adapters == 10
    assert ll.survey(tmp_path / "link", tmp_path / "out").adapters == 10


def test_interrupted_it_leaves_whole_files_and_goes_on(
    dozen: Path, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 14:  # two places
            raise KeyboardInterrupt

    out = tmp_path / "out"
    for processes in (1, 2):
        shutil.rmtree(out, ignore_errors=True)
        with pytest.raises(KeyboardInterrupt):
            ll.survey(dozen, out, processes=processes, progress=interrupt)
        assert 2 <= len(places(out)) <= 4
        assert not list(out.rglob(".lora-lens*"))
    ll.survey(dozen, out)
    assert everything(out) == serial


def test_interrupted_in_its_first_place_it_leaves_no_folder(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: PlaceTask) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "run_place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ll.survey(dozen, tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_ctrl_c_is_not_heard_by_processes_that_are_starting(tmp_path: Path) -> None:
    """A terminal tells all of them, and each said so with a traceback."""
    script = tmp_path / "work.py"
    script.write_text(
        "import os, signal\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    from survey_tasks import doubled\n"
        "    from lora_lens.survey.running import Runner\n"
        "    print(sorted(one.value for one in Runner(2).run(doubled, [1, 2])))\n"
        "else:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


def test_a_script_that_its_own_processes_run_again_ends_with_a_line(
    dozen: Path, tmp_path: Path
) -> None:
    """Each process died as it started, and every place was tried alone twice, as if it had killed them."""
    script, out = tmp_path / "work.py", tmp_path / "out"
    script.write_text(
        f"import lora_lens as ll\nll.survey({str(dozen)!r}, {str(out)!r}, questions='spectrum', processes=2)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("lora_lens.errors.LensError: the processes ended as they started")
    assert 'put the call below `if __name__ == "__main__":` in a file, or take processes=1' in last
    assert "this process cannot start others while it is being started" in done.stderr
    assert "has finished its bootstrapping phase" not in done.stderr
    assert not out.exists()


def test_an_adapter_that_is_written_to_meanwhile_is_not_mixed(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = planning.read_some

    def read(task: ReadTask) -> object:
        found = plain(task)
        shutil.rmtree(dozen / "seed-3")
        write_adapter(dozen / "seed-3", seed=33)
        return found

    monkeypatch.setattr(planning, "read_some", read)
    with pytest.raises(LensError, match=r"4 of 4 places failed.*seed-3 was written to"):
        ll.survey(dozen, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("forked")
def test_tasks_that_fail_or_die_are_told_and_the_others_are_done(tmp_path: Path) -> None:
    for runner in (Runner(), Runner(2)):
        done = {one.index: one for one in runner.run(doubled, [1, -1, 3])}
        assert [done[0].value, done[2].value] == [2, 6]
        assert done[1].reason == "ZeroDivisionError: -1 is below 0"
    found = {
        one.index: one.value for one in Runner(2).run(dies_once, [(tmp_path, k) for k in range(5)])
    }
    assert found == {k: 2 * k for k in range(5)}
    done = {one.index: one for one in Runner(2).run(always_dies, [0, 1, 2])}
    assert "killed 2 times" in str(done[1].reason)
    assert [done[0].value, done[2].value] == [0, 4]


def test_an_adapter_that_no_memory_holds_is_left_out_alone(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that were to be read beside it were lost with it."""
    plain = planning.read_adapter

    def read(path: str, *rest: object, **options: object) -> object:
        if path.endswith("seed-3"):
            raise MemoryError
        return plain(path, *rest, **options)

    monkeypatch.setattr(planning, "read_adapter", read)
    steps: list[int] = []
    result = ll.survey(
        dozen,
        tmp_path / "out",
        questions=["spectrum"],
        progress=lambda done, _: steps.append(done),
    )
    assert (result.adapters, result.missing) == (11, 0)
    assert result.failed == ((str(dozen / "seed-3"), "out of memory"),)
    assert steps[-1] == 12 + 4


@pytest.mark.usefixtures("forked")
def test_an_adapter_that_ends_its_process_is_left_out_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "read_some", dies_of_bad)
    tasks = [
        ReadTask(("a", "bad", "c"), 0, None, False),
        ReadTask(("d",), 3, None, False),
    ]
    steps: list[int] = []
    found = planning._read_all(tasks, Runner(2), steps.append)
    told = [one for k in range(2) for one in found[k]]
    assert [one.path for one in told] == ["a", "bad", "c", "d"]
    assert [one.reason for one in told if one.path != "bad"] == ["0", "2", "3"]
    assert "killed 2 times" in told[1].reason
    assert sum(steps) == 4


def test_processes_end_with_the_one_that_they_work_for(tmp_path: Path) -> None:
    """Which the system may kill for want of memory: none of them stays, and none leaves what it was making."""
    work = "from survey_tasks import waits; from lora_lens.survey.running import Runner; from pathlib import Path"
    work += f"; list(Runner(2).run(waits, [Path({str(tmp_path)!r})] * 3))"
    path = os.pathsep.join(sys.path)
    parent = subprocess.Popen([sys.executable, "-c", work], env=os.environ | {"PYTHONPATH": path})
    ends = time.monotonic() + 120
    while len(made := list(tmp_path.iterdir())) < 2 and time.monotonic() < ends:
        time.sleep(0.05)
    numbers = [int(one.name.removeprefix("made-")) for one in made]
    assert len(numbers) == 2
    parent.kill()
    parent.wait()
    while any(map(_runs, numbers)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not any(map(_runs, numbers))
    assert not list(tmp_path.iterdir())


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_somebodys_broken_pool_is_not_mended() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        done = list(Runner(executor=pool).run(always_dies, [1, 2]))
        later = list(Runner(executor=pool).run(always_dies, [2, 3]))  # which it does not take
    assert all(one.reason for one in done)
    assert [(one.index, one.value) for one in later] == [(0, None), (1, None)]
    assert all("BrokenProcessPool" in str(one.reason) for one in later)


# What is meant


def test_lists_folders_and_single_adapters_are_taken_once(dozen: Path, tmp_path: Path) -> None:
    listed = tmp_path / "some.txt"
    listed.write_text(f"# a few\n{dozen / 'seed-3'}\n\n{dozen / 'seed-4'}  # the fourth\n")
    paths, unread = sources.adapters_meant([dozen / "seed-4", listed, dozen / "seed-3"])
    assert [Path(path).name for path in paths] == ["seed-4", "seed-3"]
    assert unread == []
    with pytest.raises(AdapterError, match="no list of adapters"):
        sources.adapters_meant([tmp_path / "none.txt"])


def test_a_name_in_a_list_may_have_a_hash_in_it(dozen: Path, tmp_path: Path) -> None:
    """It was cut there, and another adapter was surveyed in its place."""
    (dozen / "seed-3").rename(dozen / "seed-4#2")
    listed = tmp_path / "some.txt"
    listed.write_text(f"\ufeff{dozen / 'seed-4#2'}\n\t# and no other\n", encoding="utf-8")
    paths, unread = sources.adapters_meant([listed])
    assert ([Path(path).name for path in paths], unread) == (["seed-4#2"], [])
    (dozen / "seed-4#2").rename(dozen / "seed-4 #2")
    listed.write_text(f"{dozen / 'seed-4 #2'}\n{dozen / 'seed-5'} #2\n")
    paths, unread = sources.adapters_meant([listed])
    assert ([Path(path).name for path in paths], unread) == (["seed-4 #2", "seed-5"], [])
    listed.write_text(f"{dozen / 'seed-5'}  # {'for long ' * 60}\n")
    assert [Path(path).name for path in sources.adapters_meant([listed])[0]] == ["seed-5"]
    (dozen / "seed-4 #2").rename(tmp_path / "x.txt")
    paths, unread = sources.adapters_meant([tmp_path / "x.txt"])
    assert ([Path(path).name for path in paths], unread) == (["x.txt"], [])


def test_an_adapter_of_the_hub_is_the_same_at_another_commit(tmp_path: Path) -> None:
    rows = [
        {"adapter": one, "source": source}
        for one, source in (
            ("a", f"o/a@{'1' * 40}"),
            ("b", f"o/b@{'2' * 40}"),
            ("c", "o/c"),
            ("r", "o/r@step-1"),
        )
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "adapters.parquet")
    check_no_others(tmp_path, [f"o/a@{'3' * 40}", "o/b", f"o/c@{'4' * 40}", "o/d", "o/r@step-1"])
    with pytest.raises(OutputError, match="of which b would be lost"):
        check_no_others(tmp_path, [f"o/a@{'1' * 40}", "o/c", "o/r@step-1"])
    with pytest.raises(OutputError, match="of which r would be lost"):  # a branch is another
        check_no_others(tmp_path, ["o/a", "o/b", "o/c", "o/r@step-2"])


def test_the_same_numbers_by_other_paths_are_done_again(dozen: Path, tmp_path: Path) -> None:
    """A place's path seeds its draws, and old files stood for new ones."""
    out, asked = tmp_path / "out", ["subspace"]
    ll.survey(dozen, out, questions=asked)
    for k in range(12):
        (dozen / f"seed-{k}").rename(tmp_path / f"old-{k}")
        write_adapter(dozen / f"seed-{k}", seed=k, prefix="bert.")
    ll.survey(dozen, out, questions=asked)
    ll.survey(dozen, tmp_path / "fresh", questions=asked)
    assert everything(out) == everything(tmp_path / "fresh")


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Too few adapters for shared directions, and some that share no place with others."""
    for k in range(6):
        own = ("key",) if k < 2 else ("query", "value")
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=own)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs", "subspace"])
    assert {
        "subspace and the nulls of the mean adapter and of a mean A are left out at all places: they take 8 trained adapters or more",
        "clusters of A are of 4 of 6 adapters: the others share no place with some of these",
    } <= set(found.notes)
    assert found.to_dict()["notes"] == list(found.notes)
    again = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["spectrum"])
    assert any("pairs.parquet" in note for note in again.notes)
    assert again.to_dict()["notes"] == list(again.notes)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8")
def test_names_that_are_no_utf8_are_escaped(dozen: Path, tmp_path: Path) -> None:
    """One such name stopped the join, when all places were done."""
    try:
        (dozen / "bad-\udcfe").mkdir()
    except OSError:
        pytest.skip("a drive that knows UTF-8 alone")
    (dozen / "bad-\udcfe" / "adapter_config.json").write_text("{")
    write_base(base := tmp_path / "base-\udc80", BertLike())
    out = tmp_path / "out"
    result = ll.survey(dozen, out, base=base, questions=["spectrum"])
    assert (result.adapters, len(result.failed)) == (12, 1)
    (name, reason), *_ = result.failed
    assert name == str(dozen / r"bad-\udcfe")
    assert "rename the folder" in reason
    assert list(result.table("failed")["adapter"]) == [name]
    told = json.loads((out / "survey.json").read_text())
    assert told["failed"][0]["adapter"] == name
    assert told["base"] == str(base)


def test_the_hub_is_asked_for_a_bases_adapters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    asked: list[dict[str, object]] = []

    class Model:
        id, sha = "someone/one", "a" * 40

    def list_models(self: object, **words: object) -> list[Model]:
        asked.append(words)
        return [Model()] if words["author"] else []

    monkeypatch.setattr(huggingface_hub.HfApi, "list_models", list_models)
    found, _ = sources.adapters_meant(["hub:owner/base?author=someone&limit=5"])
    assert found == [f"someone/one@{'a' * 40}"]
    assert asked == [
        {
            "filter": "base_model:adapter:owner/base", "author": "someone", "search": None, "limit": 5,
            "expand": ["sha"],  # without which the hub tells no commits
        }
    ]  # fmt: skip
    with pytest.raises(LensError, match="no adapter of owner/base"):
        sources.adapters_meant(["hub:owner/base"])
    with pytest.raises(LensError, match="no question to the hub"):
        sources.adapters_meant(["hub:owner/base?likes=5"])
    listed = tmp_path / "some.txt"
    listed.write_text("someone/two  # by hand\nhub:owner/base?author=someone\n")
    found, unread = sources.adapters_meant([listed])
    assert (found, unread) == (["someone/two", f"someone/one@{'a' * 40}"], [])


def test_a_login_page_is_said_to_be_none_of_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was "Expecting value: line 1 column 1 (char 0)"."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "list_models", lambda *_, **__: json.loads("<html>"))
    with pytest.raises(LensError, match="for o/base: what answers is no hub, but a page"):
        sources.adapters_meant(["hub:o/base"])


def test_places_are_the_same_whatever_stands_before_them(dozen: Path, tmp_path: Path) -> None:
    write_adapter(dozen / "with-head", seed=5, prefix="bert.")
    write_adapter(dozen / "wide", seed=6, width=32)
    result = ll.survey(dozen, tmp_path / "out", questions=["pairs"])
    assert result.places == 4
    pairs = result.table("pairs").set_index(["matrix", "one", "other"])
    assert pairs.loc[("A", "seed-5", "with-head"), "phi"] == pytest.approx(1)
    failed = result.table("failed")
    assert set(failed["adapter"]) == {"wide"}
    assert failed["reason"].str.contains("32x32, but 24x24 in 13 others").all()


def test_a_path_that_ends_two_others_is_neither() -> None:
    paths = {"layer.0.q", "text.layer.0.q", "vision.layer.0.q", "model.text.layer.0.q"}
    assert roots(paths) == {
        "layer.0.q": "layer.0.q",
        "text.layer.0.q": "text.layer.0.q",
        "vision.layer.0.q": "vision.layer.0.q",
        "model.text.layer.0.q": "text.layer.0.q",
    }


# What is refused


def test_what_does_not_go_together_is_one_line(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, words in (
        ({"questions": ["spectra"]}, "spectra"),
        ({"questions": ["conversions"]}, "--base"),
        ({"rank": 0}, "at least 1"),
        ({"shard": "4/3"}, "K/N"),
        ({"processes": 0}, "at least 1"),
        ({"processes": 2, "scheduler": "tcp://x:1"}, "one of them"),
        ({"start": tmp_path / "none"}, "common start"),
        ({"dtype": "float16"}, "float16"),
    ):
        with pytest.raises(LensError, match=words):
            ll.survey(dozen, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterError, match="no adapter can be read"):
        ll.survey(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        ll.survey(dozen, tmp_path / "file")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r'lora-lens\[survey\]" \(.*pyarrow'):
        ll.survey(dozen, tmp_path / "out")


def test_without_dask_the_pip_line_is_said(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r'dask\[distributed\]" \(.* distributed'):
        ll.survey(dozen, tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    assert running.dask_runner is not None


def test_a_process_that_is_ended_in_a_task_does_not_wait_for_the_next(tmp_path: Path) -> None:
    """A broken pool gives none, and waits for its processes: both for ever."""
    process = get_context("spawn").Process(target=in_a_pools_hands, args=(tmp_path,))
    process.start()
    while not list(tmp_path.glob("made-*")):
        assert process.is_alive()
        time.sleep(0.01)
    process.terminate()
    process.join(60)
    process.kill()  # if it still waits, nothing waits for it
    assert process.exitcode == 1
    assert not list(tmp_path.glob("made-*"))


def test_a_process_that_is_ended_while_it_starts_says_nothing() -> None:
    """Ctrl-C ends a pool, and what its processes raised in their first moment was a traceback each."""
    process = get_context("spawn").Process(target=ended_while_it_starts)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGTERM
