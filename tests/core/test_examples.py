"""Every public function of the mathematics shows by an example, which the tests run, what it does."""

import ast
from collections.abc import Iterator
from doctest import DocTestParser
from pathlib import Path

import lora_lens.core


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


def test_every_public_function_has_an_example() -> None:
    (folder,) = lora_lens.core.__path__
    files = sorted(Path(folder).glob("*.py"))
    missing = {
        file.name: names for file in files if (names := [*without_an_example(file.read_text())])
    }
    assert len(files) > 40
    assert not missing, "a doctest with a known answer, or an underscore before the name"


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
