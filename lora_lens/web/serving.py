"""Starting the page, and leaving nothing behind when it ends."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import LensError, MissingExtraError
from ..report.libraries import check_libraries
from .calls import Calls
from .guard import Guard
from .kept import Uploads
from .left import own_folder
from .listening import check_listening, not_listening
from .places import Places

MEGABYTE = 1_000_000


@contextmanager
def serving(
    *,
    host: str = "127.0.0.1",
    port: int | None = 7860,
    megabytes: int = 200,
    minutes: float = 30,
    folders: Path | None = None,
) -> Iterator[str]:
    """The page's address, as long as the block runs; no network is asked for anything by it but a hub id that is typed.

    What a page has left whose process was killed is deleted first.

    Args:
        host: Address to listen on.
        port: Or None for any that is free.
        megabytes: That may be uploaded, and unpacked of it.
        minutes: That one analysis may take.
        folders: What folders of this machine may be opened: those in here. By default all where `host` is
            this machine's own, and none elsewhere.

    Raises:
        MissingExtraError: The extra ``web`` is not installed.
        LensError: `minutes` have no end, the port is taken, this machine has no such address, or there is no such folder.
    """
    if folders is not None and not folders.is_dir():
        raise LensError(f"--folders {folders} is no folder")
    if not 0 < minutes < math.inf:
        raise LensError(f"--minutes {minutes} is no time that ends; expected a number above 0")
    check_libraries("the page", "web")
    check_listening(host, port)
    with (
        own_folder() as folder,
        _environment(
            GRADIO_ANALYTICS_ENABLED="False",
            HF_HUB_DISABLE_TELEMETRY="1",
            GRADIO_TEMP_DIR=str(folder),
        ),
        _launched(host, port, megabytes * MEGABYTE, 60 * minutes, folders, folder) as address,
    ):
        yield address


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """With these variables; behind it they are what they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _launched(
    host: str, port: int | None, most_bytes: int, seconds: float, folders: Path | None, kept: Path
) -> Iterator[str]:
    try:
        from .analyses import Analyses
        from .page import build, look  # Gradio, which takes seconds
    except ImportError as error:
        raise MissingExtraError(
            f'the page needs the extra: pip install "lora-lens[web]" ({error})'
        ) from error
    from starlette.middleware import Middleware

    places = Places.of(host, folders)
    analyses = Analyses(places, most_bytes, kept, seconds)
    page, functions = build(places, Uploads(kept), analyses, most_bytes)
    guard: Any = Guard
    settings = {"host": host, "most_bytes": most_bytes, "calls": Calls(functions, kept)}
    try:
        _, address, _ = page.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
            max_file_size=most_bytes, footer_links=[], enable_monitoring=False, mcp_server=False, pwa=False,
            ssr_mode=False, show_error=True, inbrowser=False, **look(),
            app_kwargs={
                "middleware": [Middleware(guard, **settings)],
                "docs_url": None, "redoc_url": None, "openapi_url": None,
            },
        )  # fmt: skip
    except OSError as error:
        raise not_listening(host, port, error) from None
    try:
        yield str(address)
    finally:
        analyses.close()
        page.close(verbose=False)
