"""A command and its function agree in names and defaults, and the documentation's table is theirs."""

import inspect
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from matplotlib.figure import Figure

import lora_lens
from lora_lens import plots
from lora_lens.cli import export, report, resize, survey
from lora_lens.questions import QUESTIONS
from lora_lens.show.drawing.with_matplotlib import Filled

PAIRS: dict[str, tuple[Callable[..., Any], str, Callable[..., Any]]] = {
    question.command: (question.run, f"lora_lens.{question.function}", question.ask)
    for question in QUESTIONS
} | {
    "report": (report.run, "lora_lens.report", lora_lens.report),
    "survey": (survey.run, "lora_lens.survey", lora_lens.survey),
    "export": (export.run, "lora_lens.export_lora", lora_lens.export_lora),
    "resize": (resize.run, "lora_lens.resize", lora_lens.resize),
}
# An option that may be repeated is named in the singular; without it the function's default stands.
PLURALS = {
    "matrix": "matrices",
    "epsilon": "epsilons",
    "k": "ks",
    "layer": "layers",
    "adapter": "path",  # of `export` and `resize`, as `load_adapter` has it
    "shared_width": "width",  # --width is of figures, with every command
}
PRINTING = {"as_json", "out", "explain", "strict", "width", "style", "push_to_hub", "private"}
LOADING = {"base"}  # of `load_adapter`, where a function takes loaded adapters alone
INSIDE = {
    "progress",
    "columns",
    "command",
    "executor",
}  # of the function: no matter of the command's user
EVERYWHERE = {"device": "auto", "dtype": "float64", "seed": 0}
TABLE = Path(lora_lens.__file__).parents[1] / "docs" / "cli.md"


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = parameter.default
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            value = None
        found[name] = (
            value.value
            if isinstance(value, Enum)
            else str(value)
            if isinstance(value, Path)
            else value
        )
    return found


def shown(value: Any, between: str = ",") -> str:
    return between.join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("command", PAIRS)
def test_names_and_defaults_agree(command: str) -> None:
    run, _, ask = PAIRS[command]
    options, parameters = defaults(run), defaults(ask)
    for option, value in options.items():
        if option in PRINTING - set(parameters):
            continue
        name = option if option in parameters else PLURALS.get(option, option)
        if name not in parameters:
            assert option in PRINTING | LOADING, f"--{option} is no parameter of {ask.__name__}"
        elif name == option:
            expected = parameters[name]
            same = value == expected or value == shown(expected)
            assert same, f"--{option} is {value!r} by default and {ask.__name__}'s is {expected!r}"
        else:
            assert value in (None, inspect.Parameter.empty)
    reached = {PLURALS.get(option, option) for option in options} | set(options)
    assert set(parameters) - reached <= INSIDE


@pytest.mark.parametrize("command", PAIRS)
def test_the_table_of_the_documentation_is_theirs(command: str) -> None:
    _, name, ask = PAIRS[command]
    own = {
        parameter: value
        for parameter, value in defaults(ask).items()
        if value not in (None, inspect.Parameter.empty)
        and parameter not in INSIDE | set(EVERYWHERE)
    }
    listed = "; ".join(f"`{option}` {shown(value, ', ')}" for option, value in own.items())
    row = f"| `{command}` | `{name}` | {listed or 'none'} |"
    lacking = row not in TABLE.read_text(encoding="utf-8").splitlines()
    assert not lacking, f"docs/cli.md lacks: {row}"


def test_what_is_the_same_everywhere_is() -> None:
    for run, _, ask in PAIRS.values():
        for name, value in EVERYWHERE.items():
            for function in (run, ask):
                assert defaults(function).get(name, value) == value


@pytest.mark.parametrize("name", [one for one in plots.__all__ if one.endswith("_figure")])
def test_a_figure_is_typed_as_what_comes_back(name: str) -> None:
    """They said that a part of a figure may come back, where none was given: it cannot be saved."""
    function = getattr(plots, name)
    hints = get_type_hints(function)
    assert hints["return"] is Filled
    assert hints["figure"] == Filled | None
    assert Filled.__default__ is Figure
