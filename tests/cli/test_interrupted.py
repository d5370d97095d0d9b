"""Ctrl-C before the command line has been loaded."""

import subprocess
import sys

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


def test_as_a_module_it_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lora_lens", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("lora-lens ")
