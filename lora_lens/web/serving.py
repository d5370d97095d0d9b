"""Starting the page, and leaving nothing behind when it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import LensError, MissingExtraError
from ..report.libraries import check_libraries
from .guard import Guard
from .kept import Uploads
from .listening import check_listening, not_listening
from .places import Places

MEGABYTE = 1_000_000


@contextmanager
def serving(
    *,
    host: str = "127.0.0.1",
    port: int | None = 7860,
    megabytes: int = 200,
    folders: Path | None = None,
) -> Iterator[str]:
    """The page's address, as long as the block runs; no network is asked for anything by it.

    Args:
        host: Address to listen on.
        port: Or None for any that is free.
        megabytes: That may be uploaded.
        folders: What folders of this machine may be opened: those in here. By default all where `host` is
            this machine's own, and none elsewhere.

    Raises:
        MissingExtraError: The extra ``web`` is not installed.
        LensError: The port is taken, this machine has no such address, or there is no such folder.
    """
    if folders is not None and not folders.is_dir():
        raise LensError(f"--folders {folders} is no folder")
    check_libraries("the page", "web")
    check_listening(host, port)
    with (
        tempfile.TemporaryDirectory(
            prefix="lora-lens-web-",
            ignore_cleanup_errors=True,  # who still answers may write there
        ) as folder,
        _environment(
            GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", GRADIO_TEMP_DIR=folder
        ),
        _launched(host, port, megabytes * MEGABYTE, folders, Path(folder)) as address,
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
    host: str, port: int | None, most_bytes: int, folders: Path | None, kept: Path
) -> Iterator[str]:
    try:
        from .page import build, look  # Gradio, which takes seconds
    except ImportError as error:
        raise MissingExtraError(
            f'the page needs the extra: pip install "lora-lens[web]" ({error})'
        ) from error
    from starlette.middleware import Middleware

    page = build(Places.of(host, folders), Uploads(kept), most_bytes)
    guard: Any = Guard
    try:
        _, address, _ = page.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
            max_file_size=most_bytes, footer_links=[], enable_monitoring=False, mcp_server=False, pwa=False,
            ssr_mode=False, show_error=True, inbrowser=False, **look(),
            app_kwargs={
                "middleware": [Middleware(guard, host=host, most_bytes=most_bytes)],
                "docs_url": None, "redoc_url": None, "openapi_url": None,
            },
        )  # fmt: skip
    except OSError as error:
        raise not_listening(host, port, error) from None
    try:
        yield str(address)
    finally:
        page.close(verbose=False)
