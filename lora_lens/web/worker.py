"""The process that answers what the page is asked; it ends with the page's."""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from .answering import answer

TOLD = "told.json"


def main() -> None:
    """Answer one after the other, each into its folder."""
    jobs: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    Thread(target=_listen, args=(sys.stdin.buffer, jobs), daemon=True).start()
    while True:
        asked, places, most_bytes, folder = jobs.get()
        told = json.dumps(asdict(answer(asked, places, most_bytes, folder)))
        telling = folder / "telling"
        telling.write_text(told, encoding="utf-8")
        telling.replace(folder / TOLD)


def _listen(page: BinaryIO, jobs: SimpleQueue[tuple[Any, ...]]) -> None:
    """Jobs from the page's process; when that has ended, however it did, so does this one."""
    try:
        while True:
            jobs.put(pickle.load(page))
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
