"""What is asked of a result or of a function in a wrong way is an error of one line, as users have it: without type checks."""

import subprocess
import sys

import pytest

from lora_lens import compare, conversion_similarity, demo_adapter, load_adapter, shared_subspace
from lora_lens.errors import LensError, ResultLookupError

_WRONG = """
import lora_lens as ll
adapter = ll.load_adapter(ll.demo_adapter("lora"))
for name, wrong in (
    ("rank", {"rank": "4"}), ("rank", {"rank": 2.5}), ("i", {"i": 4.0}), ("j", {"j": "4"}),
    ("draws", {"draws": 2.5}), ("seed", {"seed": "0"}), ("width", {"width": 2.5}),
):
    functions = [ll.shared_subspace] if name == "width" else [ll.conversion_similarity]
    functions += [ll.shared_subspace] * (name in ("rank", "draws", "seed"))
    for ask in functions:
        try:
            ask(adapter, "value", **wrong)
        except ll.LensError as error:
            assert f"{name} is {wrong[name]!r}; expected a whole number" == str(error), error
        else:
            raise SystemExit(f"{name} passed")
print("all refused")
"""


def test_what_is_no_whole_number_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRONG], capture_output=True, text=True, check=False
    )
    assert done.stdout == "all refused\n", done.stderr


def test_what_a_result_has_not_is_named_beside_what_it_has() -> None:
    adapter = load_adapter(demo_adapter("lora"))
    for ask in (conversion_similarity, shared_subspace):
        result = ask(adapter, "value", draws=0)
        with pytest.raises(ResultLookupError, match="no matrix 'C'; it has: A, B") as error:
            result["C"]
        assert isinstance(error.value, KeyError)
        assert "C" not in result
        assert result.get("C") is None
    two = compare(adapter, load_adapter(demo_adapter("condlora")), "value", draws=0)
    with pytest.raises(LensError, match="no matrix 'BA'; it has: A, B, delta"):
        two["BA"]


def test_a_baseline_that_was_not_drawn_is_named() -> None:
    grid = conversion_similarity(demo_adapter("lora"), "value", draws=0)["A"]
    with pytest.raises(ResultLookupError, match="no baseline 'propagated'; it has: gaussian"):
        grid.baseline_mean("propagated")
