"""Calls of the page's functions past the page: what is refused, in which words, and that no network is asked."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lora_lens.demo import demo_adapter
from lora_lens.errors import LensError
from lora_lens.web.calls import Calls, Inputs

from .asking import JOIN, PATIENCE, RUN, Told, asked, call, chunked, raw, said, the
from .conftest import LIMIT, Served, serving

MOST = LIMIT * 1_000_000
META = {"meta": {"_type": "gradio.FileData"}}


def upload(served: Served, data: bytes = b"{}", name: str = "adapter_config.json") -> Told:
    """A file, to where Gradio takes them."""
    edge = uuid.uuid4().hex
    return asked(
        served, "gradio_api/upload", form(edge, data, name), f"multipart/form-data; boundary={edge}"
    )


def form(edge: str, data: bytes, name: str) -> bytes:
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + data + f"\r\n--{edge}--\r\n".encode()


def comes_to(served: Served, files: list[Path]) -> None:
    """What is left is these, as soon as the page has tidied up behind its answer."""
    ends = time.monotonic() + PATIENCE
    while served.files() != files and time.monotonic() < ends:
        time.sleep(0.01)
    assert served.files() == files


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and who has asked it."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SPELLINGS = (
    "http://{}/a.safetensors", "HTTP://{}/a.safetensors", "https://{}/a.safetensors", " http://{}/a", "ftp://{}/a", "//{}/a",
    "http:/{}/a", "file:///etc/passwd", "hf://{}/a", "hf:owner/name", "data:text/plain,x", "\\\\{}\\a", "http://me@{}/a",
    "http://{}/gradio_api/file=/tmp/a", "/etc/passwd", "a.safetensors", "", "/gradio_api/file=http://{}/a",
)  # fmt: skip


def test_no_network_is_asked_for_an_address_that_stands_for_a_file(
    served: Served, listener: tuple[str, list[str]]
) -> None:
    """Gradio would download it; refused here is all but what was uploaded, before Gradio sees it."""
    host, heard = listener
    (kept,) = json.loads(upload(served).body)
    analyse, take = the(served, 4), the(served, 1)
    for spelling in SPELLINGS:
        address = spelling.format(host)
        files = [
            [{"path": address, **META}],
            [{"path": address, "url": address, **META}],
            [{"path": kept, **META}, {"path": address, **META}],
        ]
        if address:
            files.append([{"path": kept, "url": address, **META}])
        for given in files:
            for path in (JOIN, RUN):
                for body in (call(analyse, [given, "", "", ""]), call(take, [given])):
                    told = asked(served, path, body)
                    assert told.status == 400, (address, told)
                    assert told.line
        inside = {"path": address, "url": address, **META}
        assert asked(served, JOIN, call(analyse, [None, inside, "", ""])).status == 400
        assert asked(served, JOIN, call(analyse, [None, "", [inside], ""])).status == 400
        assert asked(served, JOIN, call(analyse, inside)).status == 400
    for path in (
        f"gradio_api/file=http://{host}/a", f"gradio_api/file/http://{host}/a", f"gradio_api/proxy=http://{host}/a",
        f"gradio_api/file=//{host}/a", f"gradio_api/file=http:%2F%2F{host}/a", "gradio_api/file=/etc/passwd",
        f"file=http://{host}/a", f"proxy=http://{host}/a", "gradio_api/run-history/buckets", "gradio_api/runs",
    ):  # fmt: skip
        assert asked(served, path).status == 404
        assert asked(served, path).line
    assert heard == []
    told = asked(served, JOIN, call(analyse, [[{"path": f"http://{host}/a", **META}], "", "", ""]))
    assert told.line.endswith("is an address, of which nothing is fetched here; upload the file")


def test_nor_for_one_that_is_typed(served: Served, listener: tuple[str, list[str]]) -> None:
    host, heard = listener
    for k, (adapter, base) in enumerate(
        [(f"http://{host}/a", ""), (str(demo_adapter("lora")), f"http://{host}/a")]
    ):
        body = call(the(served, 4), [None, adapter, base, ""], f"typed{k}")
        assert asked(served, JOIN, body, event_data="x").status == 200
        assert "is neither a folder here nor a hub id" in said(served, f"typed{k}")
    assert heard == []


def test_what_was_uploaded_is_taken_as_the_page_names_it(served: Served) -> None:
    (kept,) = json.loads(upload(served).body)
    for number, url in enumerate(
        [None, f"{served.address}gradio_api/file={kept}", f"/gradio_api/file={kept}"]
    ):
        assert Path(kept).exists()
        given = [
            {"path": kept, "url": url, "orig_name": "x", "size": 2, "is_stream": False, **META}
        ]
        told = asked(
            served,
            RUN,
            call(the(served, 1), [given], f"named{number}", trigger_id=3, event_data={}),
        )
        assert told.status == 200
        assert asked(served, f"gradio_api/file={kept}").body == "{}"
    for number in range(3):
        body = call(the(served, 4), [[{"path": kept, **META}], "", "", ""], f"named{number}")
        assert asked(served, JOIN, body).status == 200
        assert "there is no .safetensors file" in said(served, f"named{number}")
    assert not Path(kept).exists()
    told = asked(served, JOIN, call(the(served, 4), [[{"path": kept, **META}], "", "", ""]))
    assert told.line == "the upload has been lost; please upload again"
    assert served.files() == []


def deep(levels: int) -> bytes:
    return b'{"data": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("path", [JOIN, RUN])
def test_a_malformed_call_is_answered_in_one_line(path: str, served: Served) -> None:
    analyse = the(served, 4)
    fine = [None, "", "", ""]
    bodies: list[tuple[object, str]] = [
        (b"{", "is no JSON"), (b"", "is no JSON"), (b"\xff\xfe", "is no JSON"), (deep(100_000), "is no JSON"),
        (b"9" * 10_000, "is no JSON"), ([], "the body is a list; expected an object"), (None, "is no JSON"), ("x", "the body is a text"),
        ({}, "fn_index is null; expected one of"), (call(99, fine), "fn_index is 99"), (call(-1, fine), "fn_index is -1"),
        (call("0", fine), "fn_index is '0'"), (call(True, fine), "fn_index is true or false"), (call(10**30, fine), "fn_index is a number"),
        (call(1.0, fine), "fn_index is a number"), (call([analyse], fine), "fn_index is a list"),
        (call(analyse, fine, None), "session_hash is null"), (call(analyse, fine, 3), "session_hash is 3"),
        (call(analyse, fine, "a b"), "session_hash is 'a b'"), (call(analyse, fine, "x" * 1000), "session_hash is 'xxx"),
        (call(analyse, None), "data is null; expected a list of 4"), (call(analyse, {}), "data is an object"),
        (call(analyse, "abcd"), "data is a text"), (call(analyse, fine[:3]), "data has 3 values; expected 4"),
        (call(analyse, []), "data has 0 values"), (call(analyse, [*fine, ""]), "data has 5 values; expected 4"),
        (call(analyse, [None, None, "", ""]), "data[1] is null; expected a text"), (call(analyse, [None, 3, "", ""]), "data[1] is a number"),
        (call(analyse, [None, "", [], ""]), "data[2] is a list"), (call(analyse, [None, "", "", {}]), "data[3] is an object"),
        (call(analyse, [None, "\ud800", "", ""]), "data[1] is no text"), (call(analyse, [None, "x" * 5000, "", ""]), "data[1] is no text of at most"),
        (call(analyse, ["x", "", "", ""]), "data[0] is a text; expected a list of uploads"), (call(analyse, [3, "", "", ""]), "data[0] is a number"),
        (call(analyse, [{"path": "x"}, "", "", ""]), "data[0] is an object"), (call(analyse, [[3], "", "", ""]), "upload 1 is a number"),
        (call(analyse, [[{}], "", "", ""]), "upload 1 is an object without a path"),
        (call(analyse, [[{"path": 3}], "", "", ""]), "upload 1 is an object without a path"),
        (call(analyse, [[{"path": "/x\0y", **META}], "", "", ""]), "the upload has been lost"),
        (call(analyse, [[{"path": str(served.kept), **META}], "", "", ""]), "the upload has been lost"),
        (call(the(served, 1), []), "data has 0 values; expected 1"), (call(the(served, 0), [1]), "data has 1 values; expected 0"),
    ]  # fmt: skip
    for body, words in bodies:
        told = asked(served, path, b"" if body is None else body)
        assert told.status == 400, (body, told)
        assert words in told.line, (body, told.line)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "gradio_api/queue/data?session_hash=nobody"), ("GET", "gradio_api/queue/data"), ("GET", "gradio_api/queue/data/?session_hash=nobody"),
        ("GET", "gradio_api/upload_progress"), ("GET", "gradio_api/upload"), ("GET", "no/such"), ("GET", "gradio_api/queue/join"),
        ("POST", "gradio_api/call/analyse"), ("POST", "gradio_api/call/v2/analyse"), ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/api/predict"), ("POST", "gradio_api/run/other"), ("POST", "gradio_api/cancel"), ("POST", "gradio_api/reset"),
        ("POST", "gradio_api/process_recording"), ("POST", "gradio_api/stream/x"), ("POST", "login"), ("POST", ""), ("PUT", "gradio_api/queue/join"),
        ("DELETE", "config"),
    ],
)  # fmt: skip
def test_what_the_page_has_not_is_one_line(method: str, path: str, served: Served) -> None:
    told = raw(
        served, f"{method} /{path} HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n", [b"{}"]
    )
    assert told.status in {404, 422}
    assert told.line


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"), ("multipart/form-data", b"x"), ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=x", b"no form"), ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nno file\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="files"; filename=".."\r\n\r\nx\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--x--\r\n'),
    ],
)  # fmt: skip
def test_what_is_no_upload_is_one_line(kind: str, body: bytes, served: Served) -> None:
    told = asked(served, "gradio_api/upload", body, kind)
    assert told.status == 200 or told.line
    comes_to(served, [])


HEADS = ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked\nContent-Length: 10")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("files", [1, 8])
def test_an_upload_that_states_no_length_is_counted_as_it_comes(
    files: int, head: str, served: Served
) -> None:
    """Eight files of which each may be uploaded, and their sum may not; a length that is not true is none."""
    start = f"POST /gradio_api/upload HTTP/1.1\nHost: localhost\n{head}\nContent-Type: multipart/form-data; boundary=x\n\n"
    size = 2 * MOST // files
    comes_to(served, [])

    def blocks() -> Iterator[bytes]:
        for k in range(files):
            yield f'--x\r\nContent-Disposition: form-data; name="files"; filename="{k}.safetensors"\r\n\r\n'.encode()
            for _ in range(0, size, 1 << 16):
                yield bytes(1 << 16)
            yield b"\r\n"
        yield b"--x--\r\n"

    try:
        told = raw(served, start, chunked(blocks()))
    except AssertionError:  # a server that takes both headers for an attack closes the connection
        assert "Content-Length" in head
        return
    assert told.status == 413 if "Content-Length" not in head else told.status in {400, 413}
    comes_to(served, [])


@pytest.mark.parametrize("head", HEADS)
def test_so_is_a_call(head: str, served: Served) -> None:
    start = f"POST /{JOIN} HTTP/1.1\nHost: localhost\n{head}\nContent-Type: application/json\n\n"
    blocks = [b'{"data": ["', *[b"x" * (1 << 16)] * 64, b'"]}']
    try:
        told = raw(served, start, chunked(blocks))
    except AssertionError:
        assert "Content-Length" in head
        return
    assert told.status == 413 if "Content-Length" not in head else told.status in {400, 413}


def test_files_that_are_too_large_together_are_refused(served: Served) -> None:
    body = form("x", bytes(2 * MOST // 3), "a").removesuffix(b"--x--\r\n") + form(
        "x", bytes(2 * MOST // 3), "b"
    )
    comes_to(served, [])
    assert asked(served, "gradio_api/upload", body, "multipart/form-data; boundary=x").status == 413
    comes_to(served, [])


def test_a_session_whose_stream_has_ended_leaves_no_word_of_pythons(served: Served) -> None:
    """What the page writes to its terminal is looked at when it ends."""
    path = "gradio_api/queue/data?session_hash=again"
    assert asked(served, RUN, call(the(served, 0), [], "again")).status == 200
    assert asked(served, path).line == "no such session_hash; expected one that has asked something"
    assert (
        asked(served, JOIN, call(the(served, 4), [None, "/no/such", "", ""], "again")).status == 200
    )
    at = urlsplit(served.address)
    for _ in range(3):
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=PATIENCE) as wire:
            wire.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert wire.recv(100)


def test_a_stated_length_of_a_call_has_a_bound(served: Served) -> None:
    body = call(the(served, 4), [None, "x" * 1_500_000, "", ""])
    assert asked(served, JOIN, body).status == 413


def test_an_upload_that_ends_in_its_midst_leaves_nothing(served: Served) -> None:
    comes_to(served, [])
    head = "POST /gradio_api/upload HTTP/1.1\nHost: localhost\nContent-Length: 1000000\n"
    part = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.safetensors"\r\n\r\n'
        + bytes(500_000)
    )
    at = urlsplit(served.address)
    for _ in range(3):
        with socket.create_connection((at.hostname or "", at.port or 0)) as wire:
            wire.sendall(
                (head + "Content-Type: multipart/form-data; boundary=x\n\n")
                .replace("\n", "\r\n")
                .encode()
                + part
            )
            ends = time.monotonic() + PATIENCE
            while served.files() == [] and time.monotonic() < ends:
                time.sleep(0.01)
            assert served.files() != []
        comes_to(served, [])


@pytest.mark.parametrize(
    "lines",
    ["HTTP/1.0\nOrigin: http://a.example", "HTTP/1.0", "HTTP/1.0\nOrigin: http://localhost"],
)
def test_an_origin_without_a_host_is_refused_in_one_line(lines: str, served: Served) -> None:
    """Gradio looks for the host of whoever has an origin; what that raised was logged, and no answer given."""
    told = raw(served, f"GET / {lines}\n\n")
    assert (told.status, told.line) == (403, "this page is for this machine alone")


def test_a_drive_of_windows_is_no_address_and_a_link_no_upload(tmp_path: Path) -> None:
    calls = Calls({0: Inputs(uploads=True)}, tmp_path)
    real, link, other = tmp_path / "a" / "b", tmp_path / "a" / "link", tmp_path.parent / "other"
    real.parent.mkdir()
    real.touch()
    other.touch()
    link.symlink_to(other)
    assert calls.is_upload(str(real))
    for path in (
        link,
        other,
        real.parent,
        f"{tmp_path}/../other",
        f"{real}\0",
        "b",
        real.parent / "gone",
    ):
        assert not calls.is_upload(str(path))
    body = call(0, [[{"path": "C:\\a\\b", **META}]])
    with pytest.raises(LensError, match="has been lost"):
        calls.checked(json.dumps(body).encode(), "localhost")


def test_an_analysis_beyond_its_limit_is_ended_and_said(tmp_path: Path) -> None:
    """Loading an analysis's libraries alone takes longer than this one may."""
    psutil = pytest.importorskip("psutil")
    with serving(tmp_path, options=("--minutes", "0.01")) as page:
        assert "for at most 0.01 minutes" in asked(page, "").body
        body = call(the(page, 4), [None, str(demo_adapter("lora")), "", ""])
        assert asked(page, JOIN, body).status == 200
        assert "stopped after 0.01 minutes, which is the limit of this page" in said(
            page, "visitor"
        )
        assert psutil.Process(page.process.pid).children(recursive=True) == []
        assert page.files() == []


def test_an_analysis_is_cancelled_by_who_asked_for_it(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    with serving(tmp_path) as page:
        assert "One analysis runs at a time, for at most 30 minutes" in asked(page, "").body
        server, cancel = psutil.Process(page.process.pid), call(the(page, 0), [], "one")
        for visitor in ("one", "two"):
            body = call(the(page, 4), [None, str(demo_adapter("lora")), "", ""], visitor)
            assert asked(page, JOIN, body).status == 200
        while not server.children(recursive=True):
            time.sleep(0.01)
        (first,) = server.children(recursive=True)
        assert asked(page, RUN, cancel).status == 200
        assert "cancelled; nothing of it is kept" in said(page, "one")
        assert not first.is_running()
        assert asked(page, RUN, cancel | {"session_hash": "two"}).status == 200
        assert "cancelled" in said(page, "two")
        assert server.children(recursive=True) == []
        assert page.files() == []
