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
from click.testing import Result
from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.card.push import check_repository, push
from lora_lens.card.write import FILES as OF_CARD
from lora_lens.cli import app
from lora_lens.errors import OutputError, SettingsError
from lora_lens.files.locate import DEMO_BASE, local_folder
from lora_lens.terminal.signals import Terminated
from lora_lens.training.record import FILES as OF_RUN

TOKEN = "hf_" + "a" * 34
FILES = (*OF_RUN, *OF_CARD)


@dataclass
class TakingHub:
    """What it was sent, and how it is reached.

    Attributes:
        there: Whether the repository was there before, and then whether it is private.
        answers: What it says to a request, by a part of its path, in the place of what a hub says.
    """

    address: str = ""
    there: bool | None = None
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    made: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)

    def answer_to(self, path: str, body: bytes) -> tuple[int, object]:
        for part, answer in self.answers.items():
            if part in path:
                return answer
        return self.taken(path, body)

    def taken(self, path: str, body: bytes) -> tuple[int, object]:
        lines = [json.loads(line) for line in body.splitlines()]
        if path == "/api/repos/create":
            self.made += lines
            return 200 if self.there is None else 409, {"url": f"{self.address}/me/adapter"}
        if "/preupload/" in path:
            said = {"uploadMode": "regular", "shouldIgnore": False}
            return 200, {"files": [{"path": one["path"], **said} for one in lines[0]["files"]]}
        for line in lines if "/commit/" in path else []:
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return 200, {
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
                self.answer(*taking.answer_to(self.path, body))
            else:
                self.answer(401, {"error": "Invalid username or password."})

        def do_GET(self) -> None:
            private = "private" in str(taking.made) if taking.there is None else taking.there
            said = {"sha": "1" * 40, "id": "me/adapter", "siblings": [], "private": private}
            self.answer(404 if taking.there is None and not taking.made else 200, said)

        def answer(self, status: int, what: object) -> None:
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
def online(hub: TakingHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[TakingHub]:
    """This process's hub, with a token."""
    constants = pytest.importorskip("huggingface_hub.constants")
    utils = pytest.importorskip("huggingface_hub.utils")
    renew = getattr(utils, "close_session", None) or utils.reset_sessions
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    renew()
    yield hub
    renew()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a run, and of whoever keeps more in it."""
    made = tmp_path / "my run"
    for name in (
        "adapter_model.safetensors", "README.md", "spectrum.png", "tensorboard/events", ".env", "rows.csv",
        "checkpoints/checkpoint-1/optimizer.pt", "other/adapter_config.json", "unfinished.json",
    ):  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(f"# {name}".encode())
    for name in ("adapter_config.json", "run.json"):
        (made / name).write_text("{}")
    return made


def pushed(folder: Path, tmp_path: Path, *, private: bool, **environment: str) -> str:
    """In a process of its own, since huggingface_hub reads its settings once: what it says."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom lora_lens.card.push import push\n"
        "from lora_lens.errors import LensError\n"
        f"try:\n    done = push(Path(sys.argv[1]), 'me/adapter', files={FILES}, private={private})\n"
        "    print('done', done.commit)\n"
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
def test_what_a_run_has_written_is_uploaded_and_nothing_else(
    private: bool, folder: Path, online: TakingHub
) -> None:
    for _ in range(2):
        done = push(folder, "me/adapter", files=FILES, private=private)
        assert done.commit == f"{online.address}/me/adapter/commit/1"
        assert done.shortened == ()
        assert done.stays == (
            ".env", "checkpoints", "other", "rows.csv", "tensorboard", "unfinished.json",
        )  # fmt: skip
        assert online.files == {name: (folder / name).read_bytes() for name in FILES}
        (made,) = online.made
        assert (made["name"], made["organization"]) == ("adapter", "me")
        assert (made.get("visibility") == "private" or made.get("private") is True) is private
        assert online.tokens == {f"Bearer {TOKEN}"}
        online.made.clear()
        online.there = private


def test_a_public_repository_is_not_taken_for_a_private_one(
    folder: Path, online: TakingHub
) -> None:
    online.there = False
    with pytest.raises(
        OutputError, match="not pushed to me/adapter: .* public, and --private"
    ) as caught:
        push(folder, "me/adapter", files=FILES, private=True)
    assert "hf upload" not in str(caught.value)
    assert not online.files
    push(folder, "me/adapter", files=FILES)
    assert online.files


def test_paths_of_this_machine_stay_on_it(
    folder: Path, online: TakingHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret" / "client").mkdir(parents=True)
    (tmp_path / "secret" / "client" / "rows.csv").touch()
    here, base = "secret/client/rows.csv", f"{tmp_path}/secret/base"
    own = {"train": here, "test": f"{tmp_path}/secret/rows.csv", "label": "a/b"}
    record = {
        "settings": {"base": base, "own": own, "target_modules": ["query"]},
        "data_sha256": {here: "1", own["test"]: "2"},
        "labels": ["/secret/no", "yes"],
        "command": f"lora-lens train --base={base} --train {here} -o{tmp_path}/secret/out --lr 1e-3",
        "history": [{"step": 1}],
    }
    (folder / "run.json").write_text(json.dumps(record))
    config = {"base_model_name_or_path": base, "r": 8}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    before = {name: (folder / name).read_bytes() for name in FILES}
    done = push(folder, "me/adapter", files=FILES)
    assert done.shortened == ("adapter_config.json", "run.json")
    assert json.loads(online.files["adapter_config.json"]) == {
        "base_model_name_or_path": "./base", "r": 8,
    }  # fmt: skip
    assert json.loads(online.files["run.json"]) == record | {
        "settings": {
            "base": "./base", "target_modules": ["query"],
            "own": {"train": "./client/rows.csv", "test": "./secret/rows.csv", "label": "a/b"},
        },
        "data_sha256": {"./client/rows.csv": "1", "./secret/rows.csv": "2"},
        "command": "lora-lens train --base=./base --train ./client/rows.csv -o./out --lr 1e-3",
    }  # fmt: skip
    assert {name: (folder / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize(
    ("part", "answer", "said"),
    [
        (
            "/validate-yaml", (400, {"errors": [{"message": "license is none"}]}),
            "Invalid metadata in README.md: license is none; push",
        ),
        ("/commit/", (500, {"error": "we are working on it"}), "/main': we are working on it; push"),
        ("/commit/", (500, {}), "Server error '500 Internal Server Error' for url"),
        (
            "/repos/create", (403, {"error": "not your namespace"}),
            "not your namespace; log in by `hf auth login`, and push",
        ),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_what_tells(
    part: str, answer: tuple[int, object], said: str, folder: Path, online: TakingHub
) -> None:
    online.answers[part] = answer
    with pytest.raises(OutputError) as caught:
        push(folder, "me/adapter", files=FILES)
    assert said in str(caught.value)
    assert "push it by: hf upload me/adapter" in str(caught.value)
    assert ("hf auth login" in str(caught.value)) is (answer[0] == 403)


def test_of_a_failed_upload_the_cause_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Error while uploading 'a' to the Hub.") from OSError(
            "broken pipe\nmore"
        )

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", fail)
    with pytest.raises(OutputError, match="'a' to the Hub: broken pipe; push it by: hf upload"):
        push(folder, "me/adapter", files=FILES)


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
    assert f"hf upload me/adapter '{folder}' . --include adapter_config.json" in said
    assert ("hf auth login" in said) is ("token" in trouble)
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
    assert set(hub.files) == set(FILES)


def exported(out: Path, *options: str) -> Result:
    command = ["export", str(ll.demo_adapter("condlora")), "--out", str(out), *options]
    return CliRunner().invoke(app, [*command, "--push-to-hub", "me/adapter"])


def test_what_is_exported_is_pushed_and_nothing_beside_it(
    tmp_path: Path, online: TakingHub
) -> None:
    out = tmp_path / "plain"
    out.mkdir()
    (out / "mine.txt").write_text("not for others")
    enable_progress_bars()
    result = exported(out, "--private", "--json")
    assert are_progress_bars_disabled()  # nobody watches
    assert result.exit_code == 0, result.stderr
    commit = f"{online.address}/me/adapter/commit/1"
    assert json.loads(result.stdout) == {
        "adapter": str(ll.demo_adapter("condlora")), "out": str(out), "commit": commit,
    }  # fmt: skip
    assert f"pushed to {commit}\nnot pushed: mine.txt\n" in result.stderr
    assert online.files == {
        name: (out / name).read_bytes()
        for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    (made,) = online.made
    assert made.get("visibility") == "private" or made.get("private") is True


def test_an_export_that_cannot_be_pushed_is_whole(tmp_path: Path, online: TakingHub) -> None:
    online.answers["/repos/create"] = (500, {})
    result = exported(tmp_path / "plain", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["out"] == str(tmp_path / "plain")
    said = " ".join(result.stderr.split())
    assert "plain is whole, but was not pushed to me/adapter: " in said
    assert "--include adapter_config.json" in said
    assert ll.load_adapter(tmp_path / "plain").method == "lora"


@pytest.mark.parametrize("base", [False, True])
def test_an_export_that_is_interrupted_as_it_is_pushed_says_what_pushes_it(
    base: bool, tmp_path: Path, online: TakingHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise Terminated

    monkeypatch.setattr("huggingface_hub.HfApi.create_commit", interrupt)
    out = tmp_path / "plain"
    result = exported(out, *["--base", str(local_folder(DEMO_BASE))] * base)
    assert result.exit_code == 143
    said = " ".join(result.stderr.split())
    assert (
        f"ended; nothing is half-written: {out} is whole; push it to me/adapter by: hf upload"
        in said
    )
    left = "(which leaves the folders of this machine in adapter_config.json)"
    assert said.endswith(left) is base
    assert ll.load_adapter(out).method == "lora"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--private"], "--private is for --push-to-hub"),
        (["--push-to-hub", "a/b/c"], "owner/name"),
        (["--push-to-hub", "me/adapter"], "none on this machine: log in by `hf auth login`"),
    ],
)
def test_what_cannot_be_pushed_is_said_before_the_export(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    command = ["export", str(ll.demo_adapter("condlora")), "--out", str(tmp_path / "plain")]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "plain").exists()


@pytest.mark.parametrize(
    "name", ["", "a/b/c", "me/my adapter", "../up", "./here", "me/x..y", "me/x--y", "me/x.git"]
)
def test_what_is_no_repository_is_refused_before_a_run(name: str) -> None:
    with pytest.raises(SettingsError, match="expected owner/name"):
        check_repository(name)
