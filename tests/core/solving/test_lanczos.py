import pytest
import torch
from torch import Tensor

from lora_lens.core.solving.lanczos import TWO_DIGITS, largest_singular_value

N = 1024
STARTS = 30


def uniform(low: float, high: float, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)


def gaussian() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.linalg.svdvals(torch.randn(N, N, generator=generator, dtype=torch.float64))


def steps(low: float, high: float, count: int) -> Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


COUNT = torch.arange(N, dtype=torch.float64)
SPECTRA = {
    "a crowd's edge": gaussian(),
    "one above a ramp": torch.cat([steps(1.02, 1.02, 1), steps(1, 0, N - 1)]),
    "a cluster": torch.cat([steps(1, 0.9, 16), uniform(0, 0.3, N - 16)]),
    "a cluster alone": torch.cat([steps(1, 0.9, 16), uniform(0, 0.01, N - 16)]),
    "k^-1/2": (1 + COUNT) ** -0.5,
    "k^-1/10": (1 + COUNT) ** -0.1,
    "0.99^k": 0.99**COUNT,
    "a crowd's inverse": 1 / gaussian(),
    "two apart, a twentieth from each other": torch.cat(
        [steps(1, 0.95, 2), uniform(0, 0.1, N - 2)]
    ),
    "three apart": torch.cat([steps(1, 0.92, 3), uniform(0, 0.3, N - 3)]),
    "two at a hundredth": torch.cat([steps(1, 0.99, 2), 0.3 * (3 + COUNT[2:]) ** -0.5]),
    "five at a tenth": torch.cat([steps(1, 0.9, 5), 0.3 * (6 + COUNT[5:]) ** -0.5]),
    "a tenth above 99 alike": torch.cat(
        [steps(1, 1, 1), steps(0.9, 0.9, 99), steps(0.3, 0.01, N - 100)]
    ),
    "three percent above 99 alike": torch.cat(
        [steps(1, 1, 1), steps(0.97, 0.97, 99), steps(0.3, 0.01, N - 100)]
    ),
    "a cluster's inverse": 1 / torch.cat([steps(1e-3, 1.1e-3, 16), uniform(0.1, 1, N - 16)]),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_two_digits_are_within_a_percent_and_a_half_from_below(name: str) -> None:
    """What `condition_number` says of its estimate; in another order the values meet other random vectors."""
    generator = torch.Generator().manual_seed(0)
    short = []
    for _ in range(STARTS):  # one at a time: a batch goes on until its slowest is done
        values = SPECTRA[name][torch.randperm(N, generator=generator)]
        squares = values.square()[None, :, None]
        found = largest_singular_value(
            lambda v, squares=squares: squares * v,
            values.expand(1, N, N),
            tolerance=TWO_DIGITS,
        )
        short.append(1 - found.item() / values.max().item())
    assert -1e-12 < min(short) <= max(short) < 0.015


@pytest.mark.parametrize("size", [2.0**-80, 2.0**-40, 2.0**80])
def test_a_norm_in_float32_is_as_near_whatever_its_size(size: float) -> None:
    squares = SPECTRA["a crowd's edge"].square().float()[None, :, None]
    like = squares.expand(1, N, N)
    found, scaled = (
        largest_singular_value(lambda v, by=by: by * squares * v, like, tolerance=TWO_DIGITS)
        for by in (1.0, size)
    )
    assert scaled.item() == pytest.approx(found.item() * size**0.5, rel=1e-3)
