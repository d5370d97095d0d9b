"""Every public function of the rooms that numbers come from shows by an example, which the tests run, what it does."""

import ast
from collections.abc import Iterator
from doctest import DocTestParser
from pathlib import Path

import pytest

import lora_lens


def without_an_example(source: str) -> Iterator[str]:
    """Public functions of a module whose docstring never calls them."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
            continue
        examples = DocTestParser().get_examples(ast.get_docstring(node) or "")
        if not any(f"{node.name}(" in example.source for example in examples):
            yield node.name


@pytest.mark.parametrize("room", ["core", "subspaces", "chance"])
def test_every_public_function_has_an_example(room: str) -> None:
    files = sorted((Path(lora_lens.__file__).parent / room).rglob("*.py"))
    missing = {
        file.name: names
        for file in files
        if (names := [*without_an_example(file.read_text(encoding="utf-8"))])
    }
    assert len(files) > 10
    assert not missing, "each needs a doctest with a known answer, or an underscore before its name"


def test_an_example_is_one_that_calls_the_function() -> None:
    source = '''
def none():
    """Nothing."""

def of_another(x):
    """Example:
        >>> none()
    """

def shown(x):
    """Example:
        >>> shown(2)
        4
    """
    return 2 * x

def _private():
    pass
'''
    assert [*without_an_example(source)] == ["none", "of_another"]
