"""A regression begins at the mean label, whatever the method; nothing else of the model moves."""

import pytest
import torch
from tiny_base import write_tiny_base

from lora_lens.training.data import Example
from lora_lens.training.frozen import round_frozen
from lora_lens.training.head import centre_head
from lora_lens.training.models import open_classifier, put_adapter
from lora_lens.training.settings import RunSettings

ROWS = [Example("a", None, 1.0), Example("b", None, 4.0)]


def _model(tmp_path, method: str, labels: int):
    base = write_tiny_base(tmp_path / "base")
    settings = RunSettings(task="stsb", method=method, base=base, target_modules=("query",))
    return put_adapter(settings, open_classifier(base, labels), steps=1)


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_answers_begin_at_the_mean_label(tmp_path, method: str) -> None:
    model = _model(tmp_path, method, 1)
    before = {name: p.clone() for name, p in model.named_parameters()}
    assert centre_head(model, ROWS)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert len(moved) == 1
    assert "classifier" in min(moved)
    with torch.no_grad():
        for _, weight in model.named_parameters():
            if weight.shape == (1, 16):  # what the head reads does not count
                weight.zero_()
        answer = model.eval()(input_ids=torch.ones(2, 3, dtype=torch.int64)).logits
    assert torch.equal(answer, torch.full((2, 1), 2.5))


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_a_head_of_as_many_labels_leaves_the_same_start(tmp_path, method: str) -> None:
    """docs/course.md says so of MRPC and CoLA, for a head is drawn before the adapter."""

    def start(labels: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = _model(tmp_path, method, labels)
        return next(p for name, p in model.named_parameters() if "lora_A" in name).detach()

    assert torch.equal(start(2), start(2))
    assert not torch.equal(start(2), start(1))


def test_a_head_of_classes_is_left_alone(tmp_path) -> None:
    assert not centre_head(_model(tmp_path, "lora", 2), ROWS)


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_rounding_the_frozen_layers_changes_no_bit_under_autocast(tmp_path, method: str) -> None:
    results = []
    for rounded in (False, True):
        torch.manual_seed(1)
        model = _model(tmp_path, method, 1).eval()
        for name, parameter in model.named_parameters():
            if "lora" in name:
                torch.nn.init.normal_(parameter)
        if rounded:
            # Five a layer, for query has the adapter; the pooler; PEFT's copy of the head.
            assert round_frozen(model) == 12
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=torch.arange(12).reshape(2, 6), labels=torch.ones(2)).loss
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.requires_grad]
        assert all(grad is not None and grad.dtype == torch.float32 for grad in grads)
        results.append((loss.detach(), grads))
    assert torch.equal(results[0][0], results[1][0])
    assert all(map(torch.equal, results[0][1], results[1][1]))
