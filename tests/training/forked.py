"""What is done in processes that begin with what training imports: alone that takes each of them seven seconds."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from forking import forking


class Forked:
    """A function in a process of its own, begun; what it says is in the file `errors`."""

    def __init__(self, errors: Path, function: Callable[..., None], *given: Any) -> None:
        self.errors = errors
        context = forking("lora_lens.training.search")
        self.process: ForkServerProcess = context.Process(
            target=_said_to, args=(errors, function, given)
        )
        self.process.start()

    def exit_code(self, timeout: float = 300) -> int | None:
        """How it ended, a signal below 0; None where it has not."""
        self.process.join(timeout)
        return self.process.exitcode


def _said_to(errors: Path, function: Callable[..., None], given: tuple[Any, ...]) -> None:
    with errors.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    function(*given)


def lora_lens(words: list[str]) -> None:
    """The command."""
    from lora_lens.cli import main

    sys.argv = ["lora-lens", *words]
    main()


def killed_at_its_first_checkpoint(words: list[str]) -> None:
    """The command, killed once the first checkpoint of a run is whole."""
    from transformers import Trainer

    save = Trainer._save_checkpoint

    def save_the_last(*given: Any, **named: Any) -> None:
        save(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    Trainer._save_checkpoint = save_the_last  # type: ignore[method-assign]
    lora_lens(words)


def killed_before(statement: str, settings: Any, plan: Any, out: Path) -> None:
    """Open a study, killed before the first statement to its storage that begins so."""
    from sqlalchemy import Engine, event

    from lora_lens.training.study import open_study

    def look(_link: Any, _cursor: Any, said: str, *_: Any) -> None:
        if said.lstrip().startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", look)
    open_study(settings, {}, plan, out)


def race(out: Path, storage: str, data: str, slow: float) -> None:
    """Search with trials that are over at once, `slow` seconds late to put back what it has told as lost."""
    from lora_lens.training import search as module
    from lora_lens.training.settings import RunSettings

    def train(*_: object, **__: object) -> dict[str, float]:
        time.sleep(random.uniform(0, 0.1))
        return {"development_score": random.random(), "seconds": 0.1}

    def open_nothing(*_: object, **__: object) -> None:
        """There is no base "b"."""

    put_back = module.ownership.put_back

    def put_back_late(*asked: Any) -> None:
        time.sleep(slow)
        put_back(*asked)

    random.seed()
    module.train = train  # type: ignore[assignment]
    module.open_classifier = module.put_adapter = module.checked_length = open_nothing  # type: ignore[assignment]
    module.ownership.put_back = put_back_late
    settings = RunSettings(task="rte", method="condlora", base="b", data=data, epochs=2)
    module.search(settings, out, trials=8, storage=storage)
