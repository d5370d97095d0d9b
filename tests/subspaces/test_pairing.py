from dataclasses import replace

import pytest

import lora_lens as ll
from lora_lens.errors import AdapterError
from lora_lens.subspaces.pairing import shared_layers


def test_layers_that_one_alone_has_are_told_by_their_number() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    factors = adapter.modules["query"]
    one = replace(factors, layers=(0, 1, 2, 3, 4, 7))
    other = replace(factors, layers=(0, 1, 2, 3, 5, 6))
    _, notes = shared_layers(adapter, adapter, one, other)
    assert [note.rpartition(" in ")[2] for note in notes[-2:]] == ["layers 4, 7", "layers 5, 6"]
    _, notes = shared_layers(adapter, adapter, factors, replace(factors, layers=(0, 1, 2, 3, 4, 6)))
    assert [note.rpartition(" in ")[2] for note in notes[-2:]] == ["layer 5", "layer 6"]
    with pytest.raises(
        AdapterError, match=r"query in layer 9 and .* in layers 0, 1, 2, 3, 4, 5; they share none"
    ):
        shared_layers(adapter, adapter, replace(factors, layers=(9,)), factors)
