"""Every public name has its place in the documentation; ``make docs`` builds it, warnings as errors."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import lora_lens
import lora_lens.training.condlora
import lora_lens.training.data

PAGES = Path(lora_lens.__file__).parents[1] / "docs" / "api"
DOCUMENTED = re.findall(
    r"^\.\. (?:auto|py:)\w+:: ([\w.]+)",
    "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))),
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(
    "package", [lora_lens, lora_lens.training.condlora, lora_lens.training.data]
)
def test_every_public_name_is_on_a_page(package):
    # A type alias has no docstring; a module's directive says the module.
    names = {f"{package.__name__}.{name}" for name in package.__all__ if name != "Convention"}
    missing = sorted(names - set(DOCUMENTED))
    assert not missing, f"add a directive to a page of docs/api for {', '.join(missing)}"


def test_no_name_is_documented_twice():
    assert sorted(DOCUMENTED) == sorted(set(DOCUMENTED))


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r"^(\w+)$", (PAGES / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {page.stem for page in PAGES.glob("*.md")} - {"index"} == set(listed)


def entries(page: Path) -> list[str]:
    (listed,) = re.findall(
        r"```{toctree}\n(?::.*\n)*\n(.*?)```", page.read_text("utf-8"), re.DOTALL
    )
    return [line.rsplit("<", 1)[-1].rstrip(">") for line in listed.splitlines()]


def test_pages_stand_in_an_order_by_hand() -> None:
    """By a glob the quickstart was ninth, behind three pages of results, and Results the last but one."""
    docs = PAGES.parent
    known = {page.stem for page in docs.glob("*.md")} - {"index"}
    known |= {f"notebooks/{book.stem}" for book in (docs / "notebooks").glob("*.ipynb")}
    listed = entries(docs / "index.md")
    assert sorted(listed) == sorted(known | {"api/index"})
    assert listed[:3] == ["notebooks/quickstart", "recipes", "demo"]
    written = {f"results/{page.parent.name}/results" for page in docs.glob("results/*/results.md")}
    assert sorted(entries(docs / "results.md")) == sorted(written)


def test_no_entry_says_its_pages_title_again() -> None:
    """A link to a page is its title: “What each test can see … what each test can see …”."""
    docs = PAGES.parent
    for line in (docs / "index.md").read_text("utf-8").splitlines():
        for name in re.findall("{doc}`([a-z]+)`", line):
            title = (docs / f"{name}.md").read_text("utf-8").split("\n", 1)[0].removeprefix("# ")
            assert title.lower() not in line.replace(f"`{name}`", "").lower()


FUNCTIONS = [
    name
    for name in re.findall(
        r"^\.\. autofunction:: ([\w.]+)",
        "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))),
        flags=re.MULTILINE,
    )
    if not name.startswith(("lora_lens.training.", "lora_lens.formats."))
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_that_others_call_has_an_example_and_its_arguments_explained(name):
    home, _, function = name.rpartition(".")
    asked = getattr(importlib.import_module(home), function)
    said = inspect.getdoc(asked) or ""
    assert ">>>" in said, f"{name} has no example"
    unsaid = [
        parameter
        for parameter in inspect.signature(asked).parameters
        if not re.search(rf"\b{parameter}\b", said)
    ]
    assert not unsaid, f"{name} does not say what {', '.join(unsaid)} is"
