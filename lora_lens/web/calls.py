"""What a browser asks of the page's functions: JSON of known shape that names nothing but uploads, or one line that says why not.

Gradio reads such a body by itself otherwise: it downloads an address that stands where an upload's path is expected, and answers
what it cannot read in Python's words.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import LensError

LOST = "the upload has been lost; please upload again"
FILE = "/gradio_api/file="
ASKED = "x-lora-lens-asked"  # a header of the guard's: when a call came, by this process's clock
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]+:|[/\\]{2})", re.IGNORECASE)  # a drive has one letter
_SESSION = re.compile(r"[\w-]{1,100}", re.ASCII)
_LONGEST = 4096  # letters
_UPLOADED = {"_type": "gradio.FileData"}


@dataclass(frozen=True)
class Inputs:
    """What a function of the page is given: its uploads first, if it has any, and so many texts."""

    uploads: bool = False
    texts: int = 0

    def __len__(self) -> int:
        return self.uploads + self.texts


@dataclass(frozen=True)
class Calls:
    """The page's functions, and the folder in which Gradio keeps what was uploaded."""

    functions: Mapping[int, Inputs]
    kept: Path

    def checked(self, body: bytes, host: str) -> tuple[str, bytes]:
        """A call's session, and its JSON with nothing but what was understood.

        Args:
            body: As it came.
            host: The page's own, by the request's headers; addresses of uploads name it.

        Raises:
            LensError: It is no such call.
        """
        try:
            call = json.loads(body)
        except (ValueError, RecursionError):
            raise LensError("the body is no JSON; expected an object with data") from None
        if not isinstance(call, dict):
            raise LensError(f"the body is {_kind(call)}; expected an object with data")
        number, session = call.get("fn_index"), call.get("session_hash")
        if type(number) is not int or number not in self.functions:
            raise LensError(f"fn_index is {_short(number)}; expected one of {self._numbers()}")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise LensError(
                f"session_hash is {_short(session)}; expected a word of letters and digits"
            )
        data = self._data(self.functions[number], call.get("data"), host)
        trigger = call.get("trigger_id")
        understood = {
            "data": data,
            "fn_index": number,
            "session_hash": session,
            "trigger_id": trigger if type(trigger) is int else None,
        }
        return session, json.dumps(understood).encode()

    def is_upload(self, path: str) -> bool:
        """Whether a file was uploaded and is still there; of other names the disk is not asked."""
        if _ADDRESS.match(path) or "\0" in path or not os.path.isabs(path):  # noqa: PTH117
            return False
        within = Path(os.path.normpath(path))
        if not any(within.is_relative_to(root) for root in {self.kept, self.kept.resolve()}):
            return False
        return within.is_file() and not within.is_symlink()

    def forget_halves(self) -> None:
        """Delete what Gradio has written of uploads that it did not take, where none is on its way."""
        for path in self.kept.glob("tmp*"):
            if path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)

    def _numbers(self) -> str:
        return ", ".join(map(str, sorted(self.functions)))

    def _data(self, inputs: Inputs, data: Any, host: str) -> list[Any]:
        if not isinstance(data, list):
            raise LensError(f"data is {_kind(data)}; expected a list of {len(inputs)}")
        if len(data) != len(inputs):
            raise LensError(f"data has {len(data)} values; expected {len(inputs)}")
        checked: list[Any] = []
        if inputs.uploads:
            checked.append(self._uploads(data[0], host))
        return checked + [_text(value, k) for k, value in enumerate(data) if k >= inputs.uploads]

    def _uploads(self, given: Any, host: str) -> list[dict[str, Any]] | None:
        if given is None:
            return None
        if not isinstance(given, list):
            raise LensError(f"data[0] is {_kind(given)}; expected a list of uploads, or null")
        return [self._upload(one, k, host) for k, one in enumerate(given)]

    def _upload(self, given: Any, k: int, host: str) -> dict[str, Any]:
        if not isinstance(given, dict) or not isinstance(given.get("path"), str):
            raise LensError(
                f"upload {k + 1} is {_kind(given)} without a path; expected what an upload answered"
            )
        path, url = given["path"], given.get("url")
        for named in (path, url):
            if isinstance(named, str) and _ADDRESS.match(named) and not _own(named, path, host):
                raise LensError(
                    f"{_short(named)} is an address, of which nothing is fetched here; upload the file"
                )
        if url is not None and not (isinstance(url, str) and _own(url, path, host)):
            raise LensError(
                f"the url of upload {k + 1} is {_short(url)}; expected none, or the upload's own"
            )
        if not self.is_upload(path):
            raise LensError(LOST)
        name = given.get("orig_name")
        return {
            "path": path,
            "orig_name": name[:_LONGEST] if isinstance(name, str) and _is_text(name) else None,
            "meta": _UPLOADED,
        }


def _own(url: str, path: str, host: str) -> bool:
    """Whether a browser would ask this page for the upload by that address."""
    where, found, named = url.partition(FILE)
    try:
        at = urlsplit(where)
    except ValueError:  # brackets that do not close
        return False
    return bool(found) and path in {named, unquote(named)} and at.netloc in {"", host} and (
        at.scheme in {"http", "https"} if at.netloc else not where
    )  # fmt: skip


def _text(given: Any, k: int) -> str:
    if not isinstance(given, str):
        raise LensError(f"data[{k}] is {_kind(given)}; expected a text")
    if not _is_text(given) or len(given) > _LONGEST:
        raise LensError(f"data[{k}] is no text of at most {_LONGEST} letters; shorten it")
    return given


def _is_text(given: str) -> bool:
    try:
        given.encode()
    except UnicodeEncodeError:  # half of a pair
        return False
    return True


def _kind(given: Any) -> str:
    """In JSON's words."""
    words = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
    }
    return words.get(type(given), "a list" if isinstance(given, list) else "an object")


def _short(given: Any) -> str:
    """Of a text its start, of the rest its kind."""
    if type(given) is int and abs(given) < 10**9:
        return str(given)
    return reprlib.repr(given) if isinstance(given, str) else _kind(given)
