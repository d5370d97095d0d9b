"""A Trainer's other callbacks: numbers and pictures are sent to those that report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from transformers import TrainerCallback
from transformers.trainer_callback import CallbackHandler

from ...labelled import Array

# They print what they are given, and a hundred numbers would drown the loss.
_CONSOLE = {"ProgressCallback", "PrinterCallback", "NotebookProgressCallback"}
_DEEPEST = 12  # frames between a Trainer's handler and a callback: one or two, and a subclass's own


def handler_around(callback: TrainerCallback) -> CallbackHandler | None:
    """What calls the callback and all others of its Trainer; None where something else calls it.

    transformers gives a callback neither its Trainer nor the other callbacks, and it calls those that
    report before those that a user adds, so that what is added to ``logs`` comes too late for them.
    """
    frame = sys._getframe(1)
    for _ in range(_DEEPEST):
        found = frame.f_locals.get("self")
        if isinstance(found, CallbackHandler) and any(one is callback for one in found.callbacks):
            return found
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None


def send(
    handler: CallbackHandler | None,
    sender: TrainerCallback,
    logs: Mapping[str, float],
    args: Any,
    state: Any,
    control: Any,
) -> None:
    """Do as ``Trainer.log`` does: into ``state.log_history``, and to every callback but the console's."""
    row = {} if state.epoch is None else {"epoch": state.epoch}
    state.log_history.append({**logs, **row, "step": state.global_step})
    if handler is None:
        return
    for one in handler.callbacks:
        if one is sender or _kinds(one) & _CONSOLE:
            continue
        one.on_log(
            args,
            state,
            control,
            logs=dict(logs),  # some take out what they do not want
            model=handler.model,
            processing_class=handler.processing_class,
            optimizer=handler.optimizer,
            lr_scheduler=handler.lr_scheduler,
        )


def send_picture(
    handler: CallbackHandler | None, name: str, draw: Callable[[], Array | None], step: int
) -> None:
    """Give a picture, (height, width, 3) of bytes, to those that take one; drawn if there are such.

    TensorBoard, Weights & Biases and Trackio do. There may be nothing to draw.
    """
    callbacks = [] if handler is None else handler.callbacks
    takers = [take for one in callbacks if (take := _taker(one))]
    pixels = draw() if takers else None
    if pixels is not None:
        for take in takers:
            # As transformers names numbers.
            take(f"train/{name}", np.ascontiguousarray(pixels), step)


def _kinds(callback: TrainerCallback) -> set[str]:
    return {kind.__name__ for kind in type(callback).__mro__}


def _taker(callback: Any) -> Callable[[str, Array, int], None] | None:
    kinds = _kinds(callback)
    if "TensorBoardCallback" in kinds and getattr(callback, "tb_writer", None) is not None:
        writer = callback.tb_writer
        return lambda name, pixels, step: writer.add_image(name, pixels, step, dataformats="HWC")
    for kind, library in (("WandbCallback", "_wandb"), ("TrackioCallback", "_trackio")):
        found = getattr(callback, library, None)
        if kind in kinds and found is not None and hasattr(found, "Image"):
            return lambda name, pixels, step: found.log(
                {name: found.Image(pixels), "train/global_step": step}
            )
    return None
