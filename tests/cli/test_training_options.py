"""Options of training: their defaults and words are those of what they set."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import pytest

from lora_lens.cli import search as command
from lora_lens.cli.data_options import MetricName, data_fields
from lora_lens.cli.evaluate import PartName
from lora_lens.cli.training_options import (
    HeadName,
    MethodName,
    PrecisionName,
    SamplerName,
    SourceName,
    run_fields,
)
from lora_lens.core.conversions import conversion
from lora_lens.questions.shared.command import ThroughName
from lora_lens.questions.shared.result import Through
from lora_lens.sources import Source
from lora_lens.terminal import options
from lora_lens.training.data import OwnData
from lora_lens.training.evaluate import Part
from lora_lens.training.methods import Method
from lora_lens.training.search import search
from lora_lens.training.settings import HeadStart, Precision, RunSettings
from lora_lens.training.space import Sampler, Space
from lora_lens.updates import Convention


def test_defaults_are_the_settings_own() -> None:
    given = run_fields()
    own = {one.name: one.default for one in fields(RunSettings)}
    assert own.keys() - given.keys() == {"task", "data", "own", "learning_rate"}
    given_here = {name for name, default in own.items() if default is MISSING} & given.keys()
    assert given_here == {"method", "base"}
    assert given == {name: own[name] for name in given} | {name: given[name] for name in given_here}


def test_a_searchs_defaults_are_its_functions() -> None:
    given = {name: one.default for name, one in inspect.signature(command.run).parameters.items()}
    own = {name: one.default for name, one in inspect.signature(search).parameters.items()}
    assert (given["low"], given["high"]) == Space().learning_rate
    assert all(given[name] == own[name] for name in ("trials", "sampler", "prune"))


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (MethodName, Method),
        (HeadName, HeadStart),
        (PrecisionName, Precision),
        (SamplerName, Sampler),
        (SourceName, Source),
        (ThroughName, Through),
        (PartName, Part),
        (MetricName, get_args(get_type_hints(OwnData)["metric"])[0]),
        (options.Convention, Convention),
        (options.ConventionChoice, conversion.ConventionChoice),
    ],
)
def test_an_options_words_are_what_is_taken(words: type[StrEnum], choices: Any) -> None:
    assert tuple(words) == get_args(choices)


def test_spaces_around_a_columns_name_are_not_of_it() -> None:
    chosen = data_fields("own", train="a.csv", test="b.csv", text="one, two", label="label")
    assert chosen["own"].text == ("one", "two")
