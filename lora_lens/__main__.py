"""The program's first step, here and by ``python -m lora_lens``: little is loaded yet, and Ctrl-C is heard already."""

from __future__ import annotations

import os
import sys

# How often a thread of PyTorch's OpenMP (libgomp) looks whether the others have come, before it sleeps. Its own 300,000 keep a core from
# the thread that is waited for wherever other work has the rest; where threads outnumber cores libgomp takes 1,000 itself.
_SPINS = "1000"


def main() -> None:
    """Load the command line and run it; interrupted before it can say so itself, say so for it."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    _as_many_threads_as_cores()
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt as error:
        from .ledger import result_written

        so = result_written() or "nothing is half-written"
        sys.stderr.write(f"lora-lens: interrupted; {so}\n")
        sys.exit(getattr(error, "code", 130))  # SIGTERM and SIGHUP have codes of their own


def _as_many_threads_as_cores() -> None:
    """A container's or a job's share of time is in no library's count of cores, and threads beyond it wait for each other.

    ``OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK`` is empty where no number was asked of Slurm, and then says nothing.
    """
    if os.environ.get("OMP_NUM_THREADS", "").strip():
        return
    os.environ.pop("OMP_NUM_THREADS", None)  # libgomp complains of an empty one
    if not hasattr(os, "sched_getaffinity"):
        return
    from .control_groups import cores

    most = cores()
    if most is not None and most < len(os.sched_getaffinity(0)):
        os.environ["OMP_NUM_THREADS"] = str(most)


if __name__ == "__main__":
    main()
