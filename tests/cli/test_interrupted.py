"""Ctrl-C before the command line has been loaded."""

import os
import signal
import subprocess
import sys

import pytest

WHILE_IT_LOADS = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from lora_lens.__main__ import main
main()
"""


def test_ctrl_c_is_one_line_while_the_command_line_loads() -> None:
    for module in ("lora_lens.cli", "typer", "lora_lens.questions.similarity.command"):
        done = subprocess.run(
            [sys.executable, "-c", WHILE_IT_LOADS.format(module=module)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 130, module
        assert done.stderr == "lora-lens: interrupted; nothing is half-written\n"


ENDED = """
import lora_lens.cli as cli
from lora_lens.terminal import failing, signals
def ended(*_):
    raise signals.{error}
{where} = ended
from lora_lens.__main__ import main
main()
"""


@pytest.mark.parametrize(("error", "code"), [("Terminated", 143), ("HungUp", 129)])
@pytest.mark.parametrize("where", ["cli.app", "failing.TyperGroup.invoke"])
def test_the_code_says_which_signal_though_nobody_reads_why(
    where: str, error: str, code: int
) -> None:
    """Before the command line is there, or in a command, whose terminal may have gone."""
    read, write = os.pipe()
    if where != "cli.app":
        os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENDED.format(error=error, where=where), "inspect", "here"],
            stderr=write,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == code
    if where == "cli.app":
        with os.fdopen(read) as said:
            assert said.read() == "lora-lens: interrupted; nothing is half-written\n"


AT_ITS_END = """
import atexit, os
import lora_lens.cli as cli
def end():
    os.kill(os.getpid(), {number})
    sum(range(10**6))
cli.app = lambda: atexit.register(end)
from lora_lens.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_when_all_is_done_is_no_traceback(number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("a process in the background does not hear of it")
    done = subprocess.run(
        [sys.executable, "-c", AT_ITS_END.format(number=int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-number, "")


def test_as_a_module_it_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lora_lens", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("lora-lens ")
