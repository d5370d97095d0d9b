"""What is measured is what the names say."""

import time

import pytest
import torch
from torch import Tensor, nn

from lora_lens.training.speed import Speed, training_speed


class Slowed(nn.Module):
    def __init__(self, width: int, wait: float = 0.0) -> None:
        super().__init__()
        self.layer, self.wait = nn.Linear(width, width), wait
        self.steps: list[float] = []

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.steps.append(time.perf_counter())
        time.sleep(self.wait)
        return {"loss": self.layer(x).square().mean()}


def test_models_take_turns_and_train() -> None:
    models = {"one": Slowed(8), "other": Slowed(8, wait=0.02)}
    before = models["one"].layer.weight.detach().clone()
    speeds = training_speed(models, {"x": torch.ones(4, 8)}, steps=6, warm_up=1)
    order = sorted((at, name) for name, model in models.items() for at in model.steps)[:4]
    assert [name for _, name in order] == ["one", "other", "other", "one"]
    assert not torch.equal(models["one"].layer.weight, before)
    one, other = speeds["one"], speeds["other"]
    assert (one.steps, one.examples, one.device, one.dtype) == (6, 4, "cpu", "float32")
    assert min(other.seconds) >= 0.02
    assert other.examples_per_second <= 4 / 0.02
    assert one.times_faster_than(other) > 1 > other.times_faster_than(one)


def test_ratio_is_the_median_over_rounds() -> None:
    one = Speed(2, (1.0, 2.0, 4.0), 0, "saved for backward", "cpu", "float32")
    other = Speed(2, (2.0, 2.0, 6.0), 0, "saved for backward", "cpu", "float32")
    assert one.times_faster_than(other) == 1.5
    assert one.examples_per_second == 1.0


def test_saved_bytes_are_each_storage_once_without_parameters() -> None:
    x = torch.ones(4, 8)
    speed = training_speed({"m": Slowed(8)}, {"x": x}, steps=1)["m"]
    # The linear layer keeps x, square keeps its input; the weight is a parameter.
    assert (speed.bytes, speed.memory) == (2 * 4 * 8 * 4, "saved for backward")


@pytest.mark.parametrize("enabled", [True, False])
def test_dtype_is_autocasts_where_it_is_on(enabled: bool) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
        speed = training_speed({"m": Slowed(8)}, {"x": torch.ones(4, 8)}, steps=1)["m"]
    assert speed.dtype == ("autocast bfloat16" if enabled else "float32")
