"""Adapters and bases whose entries are near the limits of float32: right numbers, or a named refusal."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora, write_tensors
from safetensors.torch import save_file

import lora_lens as ll
from lora_lens.questions import QUESTIONS
from lora_lens.subspaces.device import select_device

LIMIT = 3.4e38
ASKED: dict[str, Callable[..., Any]] = {
    "spectrum": ll.spectrum,
    "suggest_ranks": lambda adapter, **_: ll.suggest_ranks(adapter),  # its spectra are in float64
    "conversion_similarity": partial(ll.conversion_similarity, module="value", rank=2, draws=5),
    "shared_subspace": partial(ll.shared_subspace, module="value", draws=5),
    "compare": lambda adapter, **how: ll.compare(adapter, adapter, "value", **how),
    "amplification": partial(ll.amplification, module="value"),
    "magnitude_and_direction": partial(ll.magnitude_and_direction, module="value", draws=5),
    "rank_grids": partial(ll.rank_grids, draws=5),
    "outliers": partial(ll.outliers, module="value", draws=5),
    "adapter_matrix": lambda adapter, **how: ll.adapter_matrix([adapter, ll.load_adapter(adapter.source)], "value", draws=5, **how),
}  # fmt: skip
NOT_ASKED = {
    "inspect",
    "dynamics",
}  # which computes nothing, and which asks `adapter_matrix`'s φ of checkpoints
SCALE_FREE = {"conversion_similarity", "compare", "outliers"}  # and `shared_subspace` of A and B


def test_every_question_is_asked() -> None:
    assert set(ASKED) >= {question.function for question in QUESTIONS} - NOT_ASKED


@pytest.fixture
def at_limit(tmp_path: Path) -> Callable[[str, float], ll.Adapter]:
    def make(which: str, largest: float) -> ll.Adapter:
        shape, folder = BertLike(), tmp_path / f"{which}{largest}"
        write_base(folder / "base", shape)
        write_lora(folder / "lora", shape, base=str(folder / "base"))

        def scaled(named: dict[str, torch.Tensor], mark: str) -> dict[str, torch.Tensor]:
            # By a power of two, so that the numbers can be compared with the unscaled ones.
            e = int(np.frexp(largest)[1]) - 3
            return {
                name: torch.ldexp(tensor, torch.tensor(e // 2)).ldexp(torch.tensor(e - e // 2))
                if mark in name
                else tensor
                for name, tensor in named.items()
            }

        for matrix in set(which) & {"A", "B"}:
            shape.adapter = scaled(shape.adapter, f"lora_{matrix}")
        write_tensors(folder / "lora", shape.adapter)
        if "W" in which:
            save_file(scaled(shape.base, ""), folder / "base" / "model.safetensors")
        return ll.load_adapter(folder / "lora")

    return make


@pytest.mark.parametrize("largest", [LIMIT, 1e-30])
@pytest.mark.parametrize("which", ["A", "AB", "W"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("asked", ASKED)
def test_right_or_refused_by_name(
    at_limit: Callable[[str, float], ll.Adapter], asked: str, dtype: str, which: str, largest: float
) -> None:
    adapter = at_limit(which, largest)
    try:
        found = ASKED[asked](adapter, dtype=dtype).to_dict()
    except ll.LensError as error:
        refused = str(error)
    else:
        json.dumps(found, allow_nan=False)
        usual = ASKED[asked](at_limit("", 1.0), dtype=dtype).to_dict()
        if asked == "conversion_similarity":
            assert found["matrices"] == usual["matrices"]
        if asked == "spectrum" and "A" in which:
            for one, other in zip(found["layers"], usual["layers"], strict=True):
                np.testing.assert_allclose(one["stable_rank"], other["stable_rank"], rtol=1e-9)
                ratio = np.divide(one["singular_values"], other["singular_values"])
                np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
        return
    assert dtype == "float32"
    assert asked not in SCALE_FREE
    assert (asked, which) != ("shared_subspace", "A")
    assert re.search(
        r"(W0|ΔW) of .*(query|value).* range of float32; use the dtype float64", refused
    )


@pytest.mark.parametrize("largest", [LIMIT, 1e-30])
def test_inspect_takes_them(at_limit: Callable[[str, float], ll.Adapter], largest: float) -> None:
    json.dumps(ll.inspect(at_limit("AB", largest)).to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("gpu", "device is 'gpu', expected auto, cpu, cuda"),
        ("mkldnn", "device is 'mkldnn', expected auto, cpu, cuda"),
        (
            "mps",
            "device 'mps' has no float64 and not all decompositions that are needed; use auto or cpu",
        ),
    ],
)
def test_a_device_that_is_none_is_said_in_few_words(device: str, said: str) -> None:
    for dtype in ("float64", "float32"):
        with pytest.raises(ll.LensError, match=re.escape(said)):
            select_device(device, dtype)
