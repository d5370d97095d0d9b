"""Against a hub on this machine that takes what is pushed."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.card.push import check_repository
from lora_lens.cli import app
from lora_lens.errors import SettingsError

TOKEN = "hf_" + "a" * 34


@dataclass
class TakingHub:
    """What it was sent, and how it is reached."""

    address: str = ""
    made: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)

    def answer_to(self, path: str, body: bytes) -> dict[str, object]:
        lines = [json.loads(line) for line in body.splitlines()]
        if path == "/api/repos/create":
            self.made += lines
            return {"url": f"{self.address}/me/adapter"}
        if "/preupload/" in path:
            said = {"uploadMode": "regular", "shouldIgnore": False}
            return {"files": [{"path": one["path"], **said} for one in lines[0]["files"]]}
        for line in lines if "/commit/" in path else []:
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return {
            "commitUrl": f"{self.address}/me/adapter/commit/1", "commitOid": "1" * 40,
            "warnings": [], "errors": [],
        }  # fmt: skip


@pytest.fixture
def hub() -> Iterator[TakingHub]:
    taking = TakingHub()

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taking.tokens.add(self.headers["Authorization"])
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                self.answer(taking.answer_to(self.path, body))
            else:
                self.answer({"error": "Invalid username or password."}, 401)

        def do_GET(self) -> None:
            self.answer({"sha": "1" * 40, "id": "me/adapter", "siblings": []})

        def answer(self, what: dict[str, object], status: int = 200) -> None:
            content = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    taking.address = f"http://127.0.0.1:{server.server_port}"
    yield taking
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my run"
    for name in (
        "adapter_config.json", "adapter_model.safetensors", "README.md", "spectrum.png",
        "tensorboard/events", "checkpoints/checkpoint-1/optimizer.pt", "unfinished.json",
    ):  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(f"# {name}".encode())
    return made


def pushed(folder: Path, tmp_path: Path, *, private: bool, **environment: str) -> str:
    """In a process of its own, since huggingface_hub reads its settings once: what it says."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom lora_lens.card.push import push\n"
        "from lora_lens.errors import LensError\n"
        f"try:\n    print('done', push(Path(sys.argv[1]), 'me/adapter', private={private}))\n"
        "except LensError as error:\n    print(error)"
    )
    own = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={k: v for k, v in os.environ.items() if k != "HF_TOKEN"} | own | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("private", [False, True])
def test_the_folder_is_uploaded_without_what_only_a_run_needs(
    private: bool, folder: Path, tmp_path: Path, hub: TakingHub
) -> None:
    said = pushed(folder, tmp_path, private=private, HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    assert said == f"done {hub.address}/me/adapter/commit/1"
    assert {name: content.decode() for name, content in hub.files.items()} == {
        name: f"# {name}"
        for name in (
            "adapter_config.json", "adapter_model.safetensors", "README.md", "spectrum.png",
            "tensorboard/events",
        )
    }  # fmt: skip
    (made,) = hub.made
    assert (made["name"], made["organization"]) == ("adapter", "me")
    assert (made.get("visibility") == "private" or made.get("private") is True) is private
    assert hub.tokens == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("trouble", ["no token", "wrong token", "no network", "offline"])
def test_what_goes_wrong_is_one_line_with_the_command_that_tries_again(
    trouble: str, folder: Path, tmp_path: Path, hub: TakingHub
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    environment = {
        "no token": {"HF_ENDPOINT": hub.address},
        "wrong token": {"HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_wrong"},
        "no network": {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": TOKEN},
        "offline": {"HF_HUB_OFFLINE": "1", "HF_TOKEN": TOKEN},
    }[trouble]
    said = pushed(folder, tmp_path, private=True, **environment)
    assert len(said.splitlines()) == 1
    assert said.startswith(f"{folder} is whole, but was not pushed to me/adapter: ")
    assert f"hf upload me/adapter '{folder}' . --exclude 'checkpoints/*'" in said
    assert said.endswith("--private")
    assert not hub.files
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_command_that_tries_again_pushes_what_was_to_be_pushed(
    folder: Path, tmp_path: Path, hub: TakingHub
) -> None:
    said = pushed(folder, tmp_path, private=True, HF_ENDPOINT=hub.address)
    hf, *words = shlex.split(said.partition("push it by: ")[2])
    script = Path(sysconfig.get_path("scripts")) / hf
    own = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    there = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, str(script), *words], env=os.environ | own | there,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(hub.files) == {
        "adapter_config.json", "adapter_model.safetensors", "README.md", "spectrum.png",
        "tensorboard/events",
    }  # fmt: skip


def exported(out: Path, tmp_path: Path, *options: str, **environment: str) -> tuple[int, str, str]:
    """The command in a process of its own: exit code, standard output and error."""
    own = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = ["export", str(ll.demo_adapter("condlora")), "--out", str(out), "--json", *options]
    done = subprocess.run(
        [sys.executable, "-m", "lora_lens", *command],
        env={k: v for k, v in os.environ.items() if k != "HF_TOKEN"} | own | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_what_is_exported_is_pushed_and_nothing_beside_it(tmp_path: Path, hub: TakingHub) -> None:
    out = tmp_path / "plain"
    out.mkdir()
    (out / "mine.txt").write_text("not for others")
    code, printed, said = exported(
        out, tmp_path, "--push-to-hub", "me/adapter", "--private", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN
    )  # fmt: skip
    assert code == 0, said
    commit = f"{hub.address}/me/adapter/commit/1"
    assert json.loads(printed) == {
        "adapter": str(ll.demo_adapter("condlora")), "out": str(out), "commit": commit,
    }  # fmt: skip
    assert f"pushed to {commit}" in said
    assert hub.files == {
        name: (out / name).read_bytes()
        for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    (made,) = hub.made
    assert made.get("visibility") == "private" or made.get("private") is True


def test_an_export_that_cannot_be_pushed_is_whole(tmp_path: Path, hub: TakingHub) -> None:
    out = tmp_path / "plain"
    code, printed, said = exported(
        out, tmp_path, "--push-to-hub", "me/adapter", HF_ENDPOINT=hub.address
    )
    assert code == 1
    assert json.loads(printed)["out"] == str(out)
    assert f"{out} is whole, but was not pushed to me/adapter: " in said
    assert "--include adapter_config.json" in said
    assert ll.load_adapter(out).method == "lora"


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--private"], "--private is for --push-to-hub"), (["--push-to-hub", "a/b/c"], "owner/name")],
)
def test_what_cannot_be_pushed_is_said_before_the_export(
    options: list[str], said: str, tmp_path: Path
) -> None:
    command = ["export", str(ll.demo_adapter("condlora")), "--out", str(tmp_path / "plain")]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "plain").exists()


@pytest.mark.parametrize(
    "name", ["", "a/b/c", "me/my adapter", "../up", "./here", "me/x..y", "me/x--y", "me/x.git"]
)
def test_what_is_no_repository_is_refused_before_a_run(name: str) -> None:
    with pytest.raises(SettingsError, match="expected owner/name"):
        check_repository(name)
