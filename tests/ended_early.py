"""Commands in processes of their own, whose end or whose streams a test sets.

They are here and not beside the test, since the process has to import them by a name that it finds wherever it stands.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# What Python tells of before it is done; `open` where it may write, as `touch` does.
CHANGES = {
    "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "fcntl.flock", "shutil.rmtree",
}  # fmt: skip


def before_change(at: int, by: int, root: Path, arguments: list[str]) -> None:
    """The command in this process, which a signal ends before the so many-th change of the folders that it writes."""
    from lora_lens.cli import main

    count = [0]

    def count_changes(event: str, given: tuple[Any, ...]) -> None:
        writes = (
            event == "open"
            and isinstance(given[2], int)
            and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if not (event in CHANGES or writes) or (writes and str(given[0]).startswith("/dev/")):
            return
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), by)

    os.chdir(root)
    for number in (1, 2):
        sys.stdout.flush()
        with (root / f"said-{number}").open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["lora-lens", *arguments]
    sys.addaudithook(count_changes)
    main()


def _said_to(out: int, errors: Path) -> None:
    """Standard output and error go there, by streams that are made anew: the old ones know what file they were of."""
    os.dup2(out, 1)
    with errors.open("wb") as file:
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115


def full(root: Path, arguments: list[str]) -> None:
    from lora_lens.cli import main

    _said_to(os.open("/dev/full", os.O_WRONLY), root / "said-2")
    sys.argv = ["lora-lens", *arguments]
    main()


def closed(root: Path, arguments: list[str]) -> None:
    from lora_lens.cli import main

    read, write = os.pipe()
    os.close(read)
    _said_to(write, root / "said-2")
    sys.argv = ["lora-lens", *arguments]
    main()
