"""`lora-lens serve`: the report as a page on this machine."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

NAME = "serve"
_LOOK = 0.5  # seconds


def run(
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; others than this machine may then come."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where to listen.")] = 7860,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="MB", help="Megabytes that may be uploaded.")
    ] = 200,
    minutes: Annotated[
        float,
        typer.Option("--minutes", min=0.01, metavar="MIN", help="That one analysis may take."),
    ] = 30,
    folders: Annotated[
        Path | None,
        typer.Option(
            "--folders",
            metavar="ROOT",
            show_default="all on 127.0.0.1, none elsewhere",
            help="Folders of this machine that may be named: those in here.",
        ),
    ] = None,
) -> None:
    """The report as a page in the browser: give an adapter, read its report, save it.

    An adapter is a folder of this machine, an upload (adapter_model.safetensors and adapter_config.json,
    or a zip of them) or a hub id. Uploads are deleted once they are answered, nothing in them is executed,
    and no network is asked for anything but a hub id that is typed. One analysis runs at a time, with a time
    limit and a button that cancels it. For this machine alone unless --host says otherwise; there is no
    password. Needs the extra: pip install "lora-lens[web]".

    Example: lora-lens serve --port 7861
    """
    from ..terminal.printing import echo
    from ..web.serving import serving

    with serving(
        host=host, port=port, megabytes=limit, minutes=minutes, folders=folders
    ) as address:
        echo(f"lora-lens is at {address} (Ctrl-C ends it)", err=True)
        _wait()
    with suppress(OSError):  # nobody reads it, as where the terminal has gone
        echo("ended; nothing was kept", err=True)
    _leave()


def _leave() -> NoReturn:
    """At once: a thread that still answers would be ended by Python's end within a library's code, and abort the process."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _wait() -> None:
    """Until Ctrl-C, SIGTERM or SIGHUP, which are how a page is meant to end: what was uploaded is deleted first."""
    with suppress(KeyboardInterrupt):
        while True:
            # Not one long sleep: a signal that another thread was given, or that came before this one slept,
            # wakes nobody. Nor an event: on Windows Ctrl-C does not end the wait for one.
            time.sleep(_LOOK)
