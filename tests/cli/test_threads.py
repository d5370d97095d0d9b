"""Threads that wait for each other leave the core to the one that is waited for."""

import os
import re
import subprocess
import sys

import pytest

LOADED = """
import sys
import lora_lens.cli as cli
cli.app = lambda: __import__("torch")
from lora_lens.__main__ import main
assert "torch" not in sys.modules
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has another OpenMP there")
@pytest.mark.parametrize(
    ("own", "spins"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "5"}, "5"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "0"),
    ],
)
def test_pytorchs_openmp_spins_for_a_moment_alone(own: dict[str, str], spins: str) -> None:
    """As it says itself, and as whoever starts the command has set it, where that is set."""
    others = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    kept = {name: value for name, value in os.environ.items() if name not in others}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=kept | own | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)) == {spins}
