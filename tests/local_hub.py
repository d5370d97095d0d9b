"""A hub on this machine: a folder served as huggingface_hub expects it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def commit_of(revision: str) -> str:
    """What a branch is at."""
    return COMMIT[: -len(revision)] + revision.encode().hex()[: len(revision)]


class LocalHub(NamedTuple):
    """How to reach it, and the paths asked for."""

    environment: dict[str, str]
    asked: list[str]


@contextmanager
def serving(files: Path) -> Iterator[LocalHub]:
    """Serve ``files/OWNER/NAME/REVISION/…``."""
    asked: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def answer(self, body: bool) -> None:
            asked.append(self.path)
            repo, _, rest = self.path.strip("/").partition("/resolve/")
            asked_for, _, name = rest.partition("/")
            there = [one.name for one in (files / repo).glob("*")]
            revision = next((one for one in there if commit_of(one) == asked_for), asked_for)
            file = files / repo / revision / name
            if not file.is_file():
                missing = "Entry" if file.parents[name.count("/")].is_dir() else "Revision"
                missing = missing if (files / repo).is_dir() else "Repo"
                self.send_response(404)
                self.send_header("X-Error-Code", f"{missing}NotFound")
                if missing == "Entry":
                    self.send_header("X-Repo-Commit", commit_of(revision))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = file.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{revision}-{name}"')
            self.send_header("X-Repo-Commit", commit_of(revision))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield LocalHub({"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}, asked)
    finally:
        server.shutdown()
        server.server_close()
