"""The pretend GPU computes what the CPU does, and refuses what CUDA refuses: a test on it can fail."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pretend_gpu import GeneratorOnCard, OnCard, PretendGPU, pretended_gpu
from torch import Tensor

HERE = torch.arange(1.0, 10.0).view(3, 3)
NUMBER = torch.tensor(2.0)


@pytest.mark.parametrize(
    ("mix", "error"),
    [
        (lambda there: there + HERE, "same device"),
        (HERE.clone().add_, "same device"),
        (lambda there: HERE * there.sum(), "same device"),  # a number of the card beside the CPU's
        (lambda there: torch.ones(()).add_(there.sum()), "same device"),
        (lambda there: there @ HERE, "same device"),
        (lambda there: torch.cat([there, HERE]), "same device"),
        (lambda there: torch.stack([there.sum(), NUMBER]), "same device"),
        (lambda there: torch.where(there > 2, there, HERE), "same device"),
        (lambda there: there.clamp(NUMBER, NUMBER), "same device"),
        (lambda there: there.index_select(0, torch.tensor([1])), "same device"),
        (lambda there: HERE[there[0].long() - 1], "same device"),
        (lambda there: torch.linalg.solve_triangular(there, HERE, upper=True), "same device"),
        (lambda there: torch.mm(there, there, out=torch.empty(3, 3)), "same device"),
        (lambda there: there.index_put_((torch.tensor([0]),), HERE[0]), "same device"),
        (lambda there: there.long() @ there.long(), "not implemented"),
        (lambda there: there.numpy(), "can't convert cuda:0"),
        (np.asarray, "can't convert cuda:0"),
        (lambda _: torch.randn(2, device="cuda", generator=torch.Generator()), "for generator"),
        (lambda there: there.normal_(generator=torch.Generator()), "for generator"),
        (lambda _: torch.randn(2, generator=GeneratorOnCard()), "for generator"),
    ],
)
def test_what_cuda_refuses(card: PretendGPU, mix: Callable[[Tensor], object], error: str) -> None:
    with pytest.raises((RuntimeError, TypeError), match=error):
        mix(HERE.to("cuda"))


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x * NUMBER,
        lambda x: NUMBER - x,
        lambda x: x.mul_(NUMBER),
        lambda x: torch.where(x > 2, x, NUMBER),
        lambda x: x.masked_fill(x > 2, NUMBER),
        lambda x: x[torch.tensor([2, 0])],  # indices of the CPU
        lambda x: x[[2, 0]],
        lambda x: x[torch.tensor([True, False, True])],
        lambda x: x.index_put_((torch.tensor([0]),), NUMBER),
        lambda x: x.copy_(HERE + 1),
        lambda x: torch.zeros_like(x).copy_(x),
        lambda x: torch.stack([x.mT, x.new_ones(3, 3)]).square().sum((-2, -1)),
        torch.linalg.svdvals,
        lambda x: torch.linalg.lu_factor_ex(x, out=_room(x))[0],
        lambda x: torch.eye(3, device=x.device) @ torch.tensor([[1.0], [2], [3]], device=x.device),
    ],
)
def test_what_cuda_takes(card: PretendGPU, compute: Callable[[Tensor], Tensor]) -> None:
    found = compute(HERE.to("cuda"))
    assert isinstance(found, OnCard)
    assert found.device == card.device
    torch.testing.assert_close(found.cpu(), compute(HERE.clone()))


def _room(x: Tensor) -> tuple[Tensor, ...]:
    return (
        torch.empty_like(x),
        torch.empty(3, dtype=torch.int32, device=x.device),
        torch.empty((), dtype=torch.int32, device=x.device),
    )


def test_a_view_shares_its_numbers(card: PretendGPU) -> None:
    there = HERE.to(card.device)
    there[0].mul_(2)
    there[1:, 2] = torch.zeros(2)  # a copy goes across
    there.mT[0, 0] = -1.0
    assert there.tolist() == [[-1, 4, 6], [4, 5, 0], [7, 8, 0]]
    assert float(there[0, 1]) == 4
    assert bool((there == 8).any())


@pytest.mark.parametrize(
    "made",
    [
        lambda: torch.zeros(2, device="cuda"),
        lambda: torch.tensor([1.0, 2.0], device="cuda"),
        lambda: torch.as_tensor(np.ones(2), device=torch.device("cuda")),
        lambda: torch.ones(2).to("cuda", torch.float64),
        lambda: torch.ones(2).to(torch.zeros(1, device="cuda")),
        lambda: torch.nn.Linear(2, 2).to("cuda").weight,
        lambda: torch.randint(9, (2,), device="cuda", generator=GeneratorOnCard()),
    ],
)
def test_what_is_made_there_is_there(card: PretendGPU, made: Callable[[], Tensor]) -> None:
    found = made()
    assert isinstance(found, OnCard)
    assert str(found.device) == "cuda:0"
    assert type(found.detach().cpu()) is Tensor


def test_its_operations_are_counted(card: PretendGPU) -> None:
    before = card.computed
    torch.ones(2).square()
    assert card.computed == before
    torch.ones(2, device="cuda").square()
    assert card.computed == before + 2


def test_it_is_gone_afterwards() -> None:
    was = torch.cuda.is_available(), torch.cuda.device_count()
    with pretended_gpu() as card:
        assert torch.cuda.is_available()
        assert torch.cuda.get_device_name(card.device) == "a pretend card"
    assert (torch.cuda.is_available(), torch.cuda.device_count()) == was
