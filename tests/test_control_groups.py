"""Memory and cores of a process's control groups, over trees of files as the kernel shows them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lora_lens import __main__, control_groups

GB = 10**9
NO_LIMIT = 9223372036854771712  # of version 1


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `tell` says what the process is told."""
    monkeypatch.setattr(control_groups, "_PROCESS", tmp_path / "self")
    monkeypatch.setattr(control_groups, "_ALONE", tmp_path / "alone")
    (tmp_path / "self").mkdir()
    return tmp_path


def tell(machine: Path, groups: str, *mounts: str) -> None:
    """`/proc/self/cgroup` and `mountinfo`; of a mount its root, its folder and what follows the dash."""
    lines = []
    for mount in mounts:
        root, where, kind = mount.split(" ", 2)
        escaped = str(machine / where).replace(" ", "\\040")
        lines.append(f"31 23 0:28 {root} {escaped} rw,relatime shared:4 - {kind}")
    (machine / "self/cgroup").write_text(groups)
    (machine / "self/mountinfo").write_text(
        "\n".join(["22 1 8:1 / / rw - ext4 /dev/sda rw", *lines])
    )


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_no_groups_no_limit(machine: Path) -> None:
    assert control_groups.free_memory() is None
    assert control_groups.cores() is None


def test_where_proc_tells_nothing_the_containers_group_counts(machine: Path) -> None:
    group(machine / "alone", memory__max=4 * GB, memory__current=GB)
    assert control_groups.free_memory() == 3 * GB


@pytest.mark.parametrize("odd", ["", "1", "a b c", "22 1 8:1 / /a\u2028b rw", "22 1 8:1 / / rw - "])
def test_lines_that_are_none_of_the_kernels_are_passed_over(machine: Path, odd: str) -> None:
    """A mount's path may hold what Python takes for an end of line, and the kernel does not."""
    tell(machine, f"{odd}\n0::/\n", "/ fs cgroup2 cgroup2 rw")
    told = machine / "self/mountinfo"
    told.write_text(f"{odd}\n{told.read_text()}", encoding="utf-8")
    group(machine / "fs", memory__max=4 * GB, memory__current=GB, cpu__max="1000 0")
    assert control_groups.free_memory() == 3 * GB
    assert control_groups.cores() is None


def test_slurm_sets_a_jobs_limits_some_levels_above_its_processes(machine: Path) -> None:
    job = "system.slice/slurmstepd.scope/job_7"
    tell(machine, f"0::/{job}/step_0/user/task_0\n", "/ fs cgroup2 cgroup2 rw")
    group(machine / "fs", memory__stat="file 5")
    group(
        machine / "fs" / job,
        memory__max=4 * GB,
        memory__current=GB,
        cpu__max="250000 100000",
        memory__stat="anon 1",
    )
    group(
        machine / "fs" / job / "step_0/user/task_0",
        memory__max="max",
        memory__current=GB,
        cpu__max="max 100000",
    )
    assert control_groups.free_memory() == 3 * GB
    assert control_groups.cores() == 3


def test_a_container_sees_its_own_group_as_the_root(machine: Path) -> None:
    tell(machine, "0::/\n", "/ fs cgroup2 cgroup2 rw")
    group(machine / "fs", memory__max=2 * GB, memory__current=GB // 2, cpu__max="50000 100000")
    assert control_groups.free_memory() == 3 * GB // 2
    assert control_groups.cores() == 1


@pytest.mark.parametrize("path", ["/../../elsewhere", "/not/below"])
def test_a_group_that_cannot_be_seen_has_its_mounts_limits(machine: Path, path: str) -> None:
    tell(machine, f"0::{path}\n", "/docker fs cgroup2 cgroup2 rw")
    group(machine / "fs", memory__max=2 * GB, memory__current=0)
    group(machine / "elsewhere", memory__max=GB, memory__current=0)
    assert control_groups.free_memory() == 2 * GB


def test_the_softer_limit_counts_and_files_that_were_read_do_not(machine: Path) -> None:
    tell(machine, "0::/a\n", "/ fs cgroup2 cgroup2 rw")
    group(
        machine / "fs/a",
        memory__max=8 * GB,
        memory__high=6 * GB,
        memory__current=6 * GB,
        memory__stat=f"anon 1\ninactive_file {5 * GB}\nactive_file 3",
    )
    assert control_groups.free_memory() == 5 * GB


def test_version_1_has_a_tree_for_each_controller(machine: Path) -> None:
    tell(
        machine,
        "9:name=systemd:/\n4:memory:/docker/x/inner\n2:cpu,cpuacct:/docker/x\n0::/\n",
        "/docker/x memory cgroup cgroup rw,memory",
        "/docker/x mycpu cgroup cgroup rw,cpu,cpuacct",
        "/ unified cgroup2 cgroup2 rw",
    )
    stat = f"inactive_file 1\ntotal_inactive_file {GB}"
    group(
        machine / "memory",
        memory__limit_in_bytes=3 * GB,
        memory__usage_in_bytes=2 * GB,
        memory__stat=stat,
    )
    group(
        machine / "memory/inner",
        memory__limit_in_bytes=NO_LIMIT,
        memory__usage_in_bytes=GB,
        memory__stat=stat,
    )
    group(machine / "mycpu", cpu__cfs_quota_us=400000, cpu__cfs_period_us=100000)
    assert control_groups.free_memory() == 2 * GB
    assert control_groups.cores() == 4
    group(machine / "mycpu", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100000)
    assert control_groups.cores() is None


def test_a_mount_with_a_space_in_its_path(machine: Path) -> None:
    where = machine / "a b"
    group(where, memory__max=GB, memory__current=0)
    escaped = str(where).replace(" ", "\\040")
    (machine / "self/cgroup").write_text("0::/\n")
    (machine / "self/mountinfo").write_text(f"31 23 0:28 / {escaped} rw - cgroup2 cgroup2 rw\n")
    assert control_groups.free_memory() == GB


def test_a_full_group_leaves_a_byte(machine: Path) -> None:
    tell(machine, "0::/\n", "/ fs cgroup2 cgroup2 rw")
    group(machine / "fs", memory__max=GB, memory__current=2 * GB)
    assert control_groups.free_memory() == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no such system")
@pytest.mark.parametrize(
    ("own", "most", "said"),
    [
        (None, 1, "1"),
        (None, None, None),
        (None, 64, None),
        ("3", 1, "3"),
        ("", 1, "1"),
        ("", None, None),
    ],
)
def test_as_many_threads_as_a_groups_time_is_enough_for(
    own: str | None, most: int | None, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless whoever starts the command has said how many."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(control_groups, "cores", lambda: most)
    monkeypatch.setenv("OMP_NUM_THREADS", own or "")
    if own is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    __main__._as_many_threads_as_cores()
    assert os.environ.get("OMP_NUM_THREADS") == said


def test_it_is_light() -> None:
    """It is asked before anything else is loaded."""
    told = "import sys, lora_lens.control_groups; print('numpy' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
