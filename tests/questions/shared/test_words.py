"""What the sentence claims of a share, and which layers it names."""

from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lora_lens import demo_adapter, shared_subspace
from lora_lens.chance.against_null import NullTest
from lora_lens.chance.verdict import Trial
from lora_lens.labelled import Array
from lora_lens.questions.shared import QUESTION
from lora_lens.questions.shared.predicted import Predicted
from lora_lens.questions.shared.tables import predicted_tables
from lora_lens.questions.shared.words import _where, summary
from lora_lens.show.findings import SHARE, Claim, found


def predicted(share: Array, p: Array, **changes: Any) -> Predicted:
    """Of B in two layers."""
    by_layer = NullTest(*[np.full(2, nan)] * 6)
    own = {"nulls": {}} | changes
    return Predicted(
        matrix="B", rank=2, width=2, layers=(0, 1), share=share, chance=0.1, by_layer=by_layer, p_holm=p,
        draws={}, flips=own.pop("flips", 4999), sqrt_kappa=np.ones(2), seen=(2, 2), seen_alone=(0, 0), theta=torch.zeros(2, 2), **own,
    )  # fmt: skip


def result(share: float, **changes: Any) -> Any:
    """Of B in two layers, as far as the sentence looks at it."""
    shared = SimpleNamespace(asked=predicted(np.full(2, share), np.full(2, 0.01), **changes))
    return SimpleNamespace(
        module="value", layers=(0, 1), width=2, other=None, items=lambda: [("B", shared)]
    )


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (1, ", B in every layer by itself"),
        (2, ", B in layer 0 by itself"),
        (9, ", B in no single layer by itself"),
        (125, ", B in no single layer by itself"),
    ],
)
def test_layers_are_named_by_p_corrected_over_all_that_was_tested(tests: int, said: str) -> None:
    asked = {"B": predicted(np.ones(2), np.array([0.02, 0.04]))}
    finding: Any = SimpleNamespace(word="more", label="B", verdict=SimpleNamespace(family=tests))
    assert _where([finding], asked) == said


@pytest.mark.parametrize("first", ["A", "B"])
def test_layers_follow_the_factor_that_is_found_in_them(first: str) -> None:
    """And not the other's "no more", though that comes last."""
    labels = ("A", "B")
    p = {label: 0.005 if label == first else 0.5 for label in labels}
    findings = found(
        [
            Claim("share", label, SHARE, "flipped", Trial(0.3, 0.2, 0.01, p[label], 199))
            for label in labels
        ]
    )
    shares = {
        label: SimpleNamespace(asked=predicted(np.full(2, 0.3), np.full(2, 0.01)))
        for label in labels
    }
    of: Any = SimpleNamespace(
        module="value", layers=(0, 1), width=2, other=None, items=shares.items
    )
    more, no_more = (
        next(part for part in summary(of, findings).split("; ") if f"predicts {degree} of" in part)
        for degree in ("more", "no more")
    )
    assert f", {first} in every layer by itself" in more
    assert "by itself" not in no_more


@pytest.mark.parametrize(
    ("share", "changes", "said"),
    [
        (
            1.0,
            {"nulls": {"flipped": NullTest(1, 0, nan, 1, 1, 0)}},
            "the draws of chance do not vary",
        ),
        (1.0, {}, "without draws of chance"),
    ],
)
def test_a_share_that_was_not_tested_is_a_number_with_its_reason(
    share: float, changes: dict[str, Any], said: str
) -> None:
    text = summary(result(share, **changes), [])
    assert said in text
    assert "100.0 % of B" in text
    assert "gives" not in text


def test_a_share_that_is_not_determined_is_no_number() -> None:
    text = summary(result(nan, trivial=True), [])
    assert "of B is not determined: more directions than a layer of that width has fit" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("p", "draws", "said"),
    [
        (0.005, 199, "value: one shared layer of width 2 gives B in every layer."),
        (
            0.4,
            199,
            "value: θ fitted to the other layers predicts no more of a layer's B than its place on",
        ),
        (0.1, 9, "value: the predicted share of B is 1.0000 in every layer; 9 draws are too few"),
    ],
)
def test_a_share_of_one_has_the_verdict_of_its_test(p: float, draws: int, said: str) -> None:
    trial = Trial(value=1.0, mean=0.2, sd=0.01, p=p, draws=draws)
    findings = found([Claim("share of B", "B", SHARE, "flipped", trial)])
    text = summary(result(1.0), findings)
    assert text.startswith(said)
    assert ("gives" in text) is (findings[0].word == "more")


def test_the_sentence_names_the_layers_whose_printed_p_is_small() -> None:
    """The demo's query, B: by Holm over its layers alone two would be named that are not over both factors."""
    result = shared_subspace(demo_adapter("lora"), "query", draws=199)
    one = result["B"].predicted
    assert one is not None
    for findings in (None, found([*QUESTION.claims(result)] * 3)):
        table = predicted_tables(result, findings)[2]
        assert table.head[-1] == "p (Holm)"
        assert f"6 layers × {6 if findings else 2} tests;" in table.title
        named = [row[0] for row in table.rows if float(row[-1].lstrip("< ")) <= 0.05]
        assert 0 < len(named) < (one.p_holm <= 0.05).sum()
        text = QUESTION.summary(result, findings)
        assert f"B in layer{'s' * (len(named) > 1)} {' and '.join(named)}" in text


def test_layers_that_so_few_flips_cannot_name_are_not_denied() -> None:
    least = np.array([2 / 5000, 2 / 5000])
    asked = {"B": predicted(np.ones(2), least)}
    finding: Any = SimpleNamespace(word="more", label="B", verdict=SimpleNamespace(family=126))
    assert _where([finding], asked) == (
        ", of B 4999 flips a layer are too few to name any (5039 are needed)"
    )
