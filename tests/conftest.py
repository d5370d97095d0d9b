"""Shapes in the annotations of the mathematics are checked at run time, and no test reaches a network."""

import gc
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
# readline, which pytest loads, sets it for the processes that xdist starts: tables would have 80 columns there.
os.environ.pop("COLUMNS", None)

from pathlib import Path

from jaxtyping import install_import_hook

gc.disable()  # until all is imported, of which nothing is garbage
sys.path.insert(0, str(Path(__file__).parent))
_PACKAGE = Path(__file__).parents[1] / "lora_lens"
# Of chance, the kernels: what tests numbers takes scalars where it says arrays.
_WITH_SHAPES = (
    "core/*/*.py", "bases/*.py", "formats/**/*.py", "subspaces/*.py", "adapter/*.py", "updates.py",
    "chance/gaussian.py", "chance/*draws.py", "chance/derangements.py", "chance/conversion_baselines.py",
)  # fmt: skip


def _module(file: Path) -> str:
    return ".".join(file.relative_to(_PACKAGE.parent).with_suffix("").parts)


# What has none is left alone: every call would cost.
hook = install_import_hook(
    [
        _module(file)
        for pattern in _WITH_SHAPES
        for file in _PACKAGE.glob(pattern)
        if "from jaxtyping import" in file.read_text("utf-8")
    ],
    "shapes_checked.at_first",
)

import subprocess  # noqa: E402
from collections.abc import Iterator  # noqa: E402

import matplotlib as mpl  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

# How long an example takes says what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
mpl.use("Agg")

import shapes_checked  # noqa: E402
from checkpoints import BertLike, write_base, write_lora  # noqa: E402
from pretend_gpu import PretendGPU, pretended_gpu  # noqa: E402

from lora_lens import conversion_similarity, load_adapter  # noqa: E402
from lora_lens.questions.similarity.result import SimilarityResult  # noqa: E402

_MANY = 50  # modules that a test has imported, as the first that trains does
_modules = 0

# Files that take longest, of one process: begun last, they would have the others wait.
_LONGEST = (
    "survey/test_running.py", "reproduction/test_reproduce.py", "training/test_search.py", "training/test_distributed.py",
    "questions/test_contract.py", "demo/test_demo.py", "web/test_page.py", "questions/test_on_paper.py", "report/test_report.py",
    "report/test_browser.py", "cli/test_progress.py", "test_states_of_torch.py", "training/test_resuming.py",
    "questions/shared/test_analysis.py", "chance/test_conversion_nulls.py", "test_reproducible.py", "training/test_run.py",
    "cli/test_commands.py", "questions/comparison/test_along_w0.py", "hostile/test_harness.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the rest as they come."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    root = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        inside = item.path.is_relative_to(root)
        return places.get(item.path.relative_to(root).as_posix() if inside else "", len(places))

    items.sort(key=place)


def _keep() -> None:
    """What the libraries have made so far stays: the trainer collects garbage often, and looks at all of it each time."""
    global _modules  # noqa: PLW0603
    gc.collect()
    gc.freeze()
    _modules = len(sys.modules)


def pytest_collection_finish() -> None:
    _keep()
    gc.enable()


def pytest_runtest_setup() -> None:
    shapes_checked.begin()
    if len(sys.modules) > _modules + _MANY:
        _keep()


@pytest.fixture
def card() -> Iterator[PretendGPU]:
    """A GPU that computes on the CPU, and refuses what CUDA refuses."""
    with pretended_gpu() as gpu:
        yield gpu


@pytest.fixture
def bert(tmp_path: Path) -> BertLike:
    """A small base model and a trained-looking LoRA adapter of query and value on it."""
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    return shape


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    """φ between the layers' conversions of that adapter, with 50 draws."""
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=50)


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have their files, and nothing on them: for tests that ask about neither."""
    monkeypatch.setattr("lora_lens.questions.question.drawn", lambda *_: Figure(figsize=(1, 1)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 kB; skipped where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
