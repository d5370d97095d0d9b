"""What must stay light, and what the package promises by name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import lora_lens


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_or_the_command_line_imports_nothing_heavy() -> None:
    loaded = modules_after("import lora_lens, lora_lens.cli")
    heavy = {
        "torch",
        "numpy",
        "scipy",
        "pandas",
        "matplotlib",
        "seaborn",
        "transformers",
        "peft",
        "huggingface_hub",
    }
    assert not loaded & heavy


def test_an_analysis_imports_no_training_or_plotting_library() -> None:
    code = (
        "import lora_lens as ll\n"
        "adapter = ll.load_adapter(ll.demo_adapter('condlora'))\n"
        "ll.conversion_similarity(adapter, 'value', draws=2).to_dict()\n"
        "ll.compare(adapter, adapter, 'value', draws=2).to_dict()\n"
        "import lora_lens.core.many_adapters.clustering, lora_lens.reproduction.numbers.scores"
    )
    assert not modules_after(code) & {
        "scipy.stats",
        "transformers",
        "peft",
        "datasets",
        "matplotlib",
        "pandas",
        "typer",
        "huggingface_hub",
    }


def test_a_figure_without_cells_brings_no_seaborn() -> None:
    """Which brings scipy.stats, and takes as long as the figure."""
    code = "import lora_lens as ll; ll.inspect(ll.demo_adapter('lora')).plot()"
    assert not modules_after(code) & {"seaborn", "scipy.stats"}


def test_the_page_says_that_a_port_is_taken_before_it_loads_what_computes() -> None:
    loaded = modules_after("import lora_lens.web.serving")
    assert not loaded & {"torch", "numpy", "scipy", "plotly", "jinja2"}


def test_phi_and_what_is_said_of_it_load_no_algebra_and_no_optimiser() -> None:
    """Two thirds of a second of every process; what torch itself brings differs by its version."""
    code = (
        "import lora_lens as ll\n"
        "adapter = ll.load_adapter(ll.demo_adapter('condlora'))\n"
        "ll.rank_grids(adapter, adapter, 'value', draws=2).summary\n"
        "ll.conversion_matrices(*(__import__('torch').eye(4) for _ in range(3)))"
    )
    brought = modules_after(code) - modules_after("import torch")
    assert not brought & {"sympy", "scipy.optimize"}


def test_tables_are_printed_again_where_nothing_trains(tmp_path: Path) -> None:
    """What is published is read without the extra `train`."""
    out = tmp_path / "out"
    shutil.copytree(Path(__file__).parents[1] / "docs" / "results" / "minilm", out)
    code = (
        "import sys\n"
        f"sys.argv = ['lora-lens', 'reproduce', 'minilm', '--out', {str(out)!r}, '--print']\n"
        "from lora_lens.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code"
    )
    assert not modules_after(code) & {
        "accelerate",
        "datasets",
        "huggingface_hub",
        "optuna",
        "peft",
        "transformers",
    }


def test_every_public_name_is_there() -> None:
    for name in lora_lens.__all__:
        assert getattr(lora_lens, name) is not None
    assert set(lora_lens._HOMES) | {"plots"} == set(lora_lens.__all__)
    assert dir(lora_lens) == sorted(lora_lens.__all__)


def test_a_type_checker_sees_that_a_name_is_not_there(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import lora_lens\nlora_lens.phi\nlora_lens.fi\n")
    options = ["--config-file=", "--follow-imports=skip", "--cache-dir", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "mypy", *options, lora_lens.__file__, str(program)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert 'program.py:3: error: Module has no attribute "fi"' in said
    assert "Found 1 error" in said
