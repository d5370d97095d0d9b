"""Every public name of the first layout, and of the API's pages since, goes on working, and says where it is now."""

import importlib
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import lora_lens
from lora_lens import moved

LISTED = (Path(__file__).parent / "old_names.txt").read_text(encoding="utf-8").splitlines()
OLD = [
    (module, name)
    for line in LISTED
    for module, _, names in [line.partition(":")]
    for name in names.split()
]
TYPE_CHECKED = {"lora_lens.chance.gaussian"}
GONE = {f"lora_lens.{name}" for name in moved.GONE}


@pytest.mark.parametrize("line", LISTED)
def test_old_names_work(line: str) -> None:
    module, _, names = line.partition(":")
    old = importlib.import_module(module)
    for name in names.split():
        if f"{module}.{name}" in GONE:
            with pytest.raises(AttributeError, match="its work is done by"):
                getattr(old, name)
            continue
        if name in vars(old):
            continue
        with pytest.warns(
            DeprecationWarning, match=rf"{module}\.{name} is now lora_lens\."
        ) as seen:
            found = getattr(old, name)
        assert found is not None
        # There a frame of the tests' type checks lies between.
        if module not in TYPE_CHECKED:
            assert seen[0].filename == __file__
        _, _, where = str(seen[0].message).partition(" is now ")
        home, _, now = where.rpartition(".")
        assert getattr(importlib.import_module(home), now) is found


def test_no_entry_of_the_table_is_superfluous() -> None:
    modules = {line.partition(":")[0].removeprefix("lora_lens.") for line in LISTED}
    assert set(moved.MODULES) <= modules
    names = {f"{module}.{name}".removeprefix("lora_lens.") for module, name in OLD}
    assert set(moved.NAMES) | set(moved.GONE) <= names


def test_public_names_are_told_by_their_short_path() -> None:
    with pytest.warns(DeprecationWarning, match=r"is now lora_lens\.phi$"):
        from lora_lens.core.subspace import phi
    assert phi is lora_lens.phi
    with pytest.warns(DeprecationWarning, match=r"is now lora_lens\.load_adapter$"):
        assert lora_lens.loaders.load_adapter is lora_lens.load_adapter


def test_what_never_was_is_an_error() -> None:
    with pytest.raises(ImportError, match="nothing"):
        from lora_lens.core.subspace import nothing  # noqa: F401
    with pytest.raises(AttributeError, match="nothing"):
        _ = lora_lens.nothing
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("lora_lens.loaders.nothing")


def test_results_that_were_pickled_before_are_read() -> None:
    old = b"clora_lens.results.similarity\nSimilarityResult\n."
    with pytest.warns(DeprecationWarning, match="SimilarityResult is now"):
        assert pickle.loads(old).__module__ == "lora_lens.questions.similarity.result"


def test_nothing_of_the_package_itself_is_deprecated() -> None:
    """Neither the command line nor any module of the package imports an old name."""
    code = (
        "import pkgutil, importlib, warnings\n"
        "warnings.filterwarnings('error', r'lora_lens\\.', DeprecationWarning)\n"
        "import lora_lens\n"
        "skipped = ('lora_lens.training', 'lora_lens.__main__', 'lora_lens.reproduction')\n"
        "for found in pkgutil.walk_packages(lora_lens.__path__, 'lora_lens.'):\n"
        "    if not found.name.startswith(skipped):\n"
        "        importlib.import_module(found.name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_warning_is_silent_unless_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert importlib.import_module("lora_lens.export").export_lora is lora_lens.export_lora
