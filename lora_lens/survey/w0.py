"""W0 of a place: where it is, its digest, and that it is still what it was."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..adapter import Placement
from ..bases.opening import open_base
from ..bases.weights import BaseWeights
from ..errors import BaseModelError
from .places import Place
from .task import PlaceTask


class NoW0Error(BaseModelError):
    """The base has no W0 of a place, or one of another shape: it may be the base of other adapters there."""


def w0_of(task: PlaceTask) -> Float[Tensor, "out in"]:
    """W0 of a task's place, read again and checked.

    Raises:
        BaseModelError: It is not there, or not what it was when the survey began.
    """
    opened = open_w0(str(task.base), task.fan_in_fan_out, task.placement)
    w0 = w0_at(opened, task.place)
    if digest_of_w0(w0) != task.of_w0:
        raise BaseModelError(
            f"W0 of {task.place.path} in {opened.source} was written to while it was surveyed; run the survey again"
        )
    return w0


def digest_of_w0(w0: Float[Tensor, "out in"]) -> str:
    """Of its numbers, as they are stored."""
    return hashlib.sha256(w0.contiguous().flatten().view(torch.uint8).numpy().data).hexdigest()


def open_w0(base: str, fan_in_fan_out: bool, placement: Placement) -> BaseWeights:
    """The base model, read as the adapters say."""
    opened = open_base(base, download=True, fan_in_fan_out=fan_in_fan_out)
    return replace(opened, placement=placement)


def w0_at(opened: BaseWeights, place: Place) -> Float[Tensor, "out in"]:
    """W0 of a place, checked against its shape.

    Raises:
        NoW0Error: It is not there, or of another shape.
        BaseModelError: It is there, and cannot be read, or several can be meant.
    """
    rows = place.part.whole if place.part else place.out_features
    try:
        w0 = opened.weight(place.path, (rows, place.in_features))
    except BaseModelError as error:
        if opened.holds(place.path):
            raise
        raise NoW0Error(str(error)) from None
    if tuple(w0.shape) != (rows, place.in_features):
        raise NoW0Error(
            f"W0 of {place.path} in {opened.source} is {w0.shape[0]}x{w0.shape[1]}, but the adapters "
            f"were trained on {rows}x{place.in_features}: this is not their base model"
        )
    return place.part.take(w0) if place.part else w0
