"""Standard streams that are closed, a disk without room, no temporary folder: exit 0 is said of nothing that got lost."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.terminal.failing import LensGroup

pytestmark = pytest.mark.skipif(not os.path.exists("/bin/sh"), reason="no shell")  # noqa: PTH110


def shell(arguments: str, redirections: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m lora_lens {arguments} {redirections}'],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("form", ["--json", ""])
def test_a_result_that_nobody_can_get_is_no_success(form: str) -> None:
    done = shell(f'inspect "{ll.demo_adapter("lora")}" {form}', ">&-")
    assert done.returncode == 1
    assert done.stderr == "lora-lens: cannot write: standard output is closed\n"


def test_with_the_others_closed_a_result_is_whole() -> None:
    done = shell(f'inspect "{ll.demo_adapter("lora")}" --json', "<&- 2>&-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["summary"].startswith("lora of rank 8 ")


def test_an_error_has_its_exit_code_where_nobody_hears_it() -> None:
    done = shell("inspect no/such", "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")  # noqa: PTH110
@pytest.mark.parametrize("asked", ["--version", "--help", "inspect --help"])
def test_no_room_for_what_is_printed_before_there_is_a_command(asked: str) -> None:
    done = shell(asked, "> /dev/full")
    assert done.returncode == 1
    assert done.stderr == "lora-lens: No space left on device\n"


OPENED = """
import os, sys
from lora_lens.terminal.closed_streams import replace_closed_streams
replace_closed_streams()
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(file, b"mine")
for number in (1, 2):
    try:
        os.write(number, b"a library's")
    except OSError:
        pass
"""


def test_what_a_library_prints_is_in_no_file(tmp_path) -> None:
    """A file that was opened first had the closed stream's number."""
    call = f'"{sys.executable}" -c "$0" "$1" <&- >&- 2>&-'
    subprocess.run(["/bin/sh", "-c", call, OPENED, str(tmp_path / "file")], check=True)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_where_no_folder_takes_temporary_files_it_is_said_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container whose disk is read-only, where libraries ask for such a folder as they load."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/no/such"])
    app = typer.Typer(cls=LensGroup)
    app.callback()(lambda: None)
    app.command("ask")(lambda: print(tempfile.gettempdir()))
    done = CliRunner().invoke(app, ["ask"])
    assert done.exit_code == 1
    assert done.stderr == (
        "lora-lens: No usable temporary directory found in ['/no/such']; set TMPDIR to a folder that can be written to\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use is not removed there")
def test_where_the_working_directory_is_gone_it_is_said(tmp_path: Path) -> None:
    """MKL cannot load there: its own words, and exit 2."""
    (tmp_path / "gone").mkdir()
    call = 'cd "$0" && rmdir "$0" && "$1" -m lora_lens inspect "$2"'
    arguments = [str(tmp_path / "gone"), sys.executable, str(ll.demo_adapter("lora"))]
    done = subprocess.run(
        ["/bin/sh", "-c", call, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "lora-lens: the working directory cannot be found (No such file or directory); go to one that is there\n"
    )
