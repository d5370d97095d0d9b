"""A transformers callback that logs how an adapter's spectra and subspaces move while it trains."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

from ...errors import MissingExtraError, SettingsError

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise MissingExtraError(
        f'SpectralCallback needs transformers: pip install "lora-lens[train]" ({error})'
    ) from error

from .measuring import STATE_NAME, Measuring
from .reporting import handler_around, send, send_picture
from .stacks import stacks_of

_log = logging.getLogger(__name__)
_PREFIX = "spectral"


class SpectralCallback(TrainerCallback):
    """Spectra of ΔW and φ of its factors, logged while a transformers ``Trainer`` trains an adapter.

    They go where the Trainer's own numbers go (TensorBoard, Weights & Biases, Trackio, …, whatever
    ``report_to`` says) and into ``trainer.state.log_history``, under these names, each a mean over the
    layers of one target module, and over all layers of all modules as ``all``:

    - ``spectral/value/frobenius_norm`` and ``spectral_norm``: ‖ΔW‖_F and ‖ΔW‖₂ of ΔW = s·B·A.
    - ``spectral/value/stable_rank`` and ``effective_rank``: ‖ΔW‖_F²/‖ΔW‖₂², and exp of the entropy of
      its singular values s/Σs. From 1 to r; left out where ΔW is zero.
    - ``spectral/value/phi_A_to_start`` and ``phi_B_to_start``: φ between A's row space (B's column space) now
      and at step 0, i and j the numerical ranks: 1 where nothing has turned, r/d for unrelated ones.
    - ``spectral/value/phi_A_to_last`` and ``phi_B_to_last``: the same, to the log before.

    LoRA begins with B = 0, which has no column space. Then, and where a run goes on from a checkpoint
    without this callback's file, there is no φ to the start: in its place stands
    ``phi_B_to_first``, to the first log at which B was not zero, whose step is
    ``spectral/value/phi_B_first_step`` (the last layer's).

    Every so many logs, and at the end, TensorBoard, Weights & Biases and Trackio get a picture,
    ``spectral/layers``: φ between every two layers, of A's row spaces and B's column spaces.
    transformers puts ``train/`` before every name.

    For plain LoRA and AdaLoRA of PEFT and CondLoRA of ``lora_lens.training.condlora``. AdaLoRA's A is
    diag(E)·A, and where E is masked (and at the start, where all of it is 0) neither factor has a direction. A fused projection (``c_attn``)
    is one module here. Of several processes the first measures and logs. Beside each checkpoint it
    leaves ``spectral_callback.safetensors`` (the factors at the start and at the last log: up to twice the
    adapter's size), with which a resumed run goes on. As much memory is taken on the model's device.

    Args:
        every: ``"log"``: whenever the Trainer logs its loss. Or a number of optimizer steps between logs. After the last
            step there is a log in either case.
        pictures: Logs between pictures; 0 is for none at all, not even at the end.
        adapter: Name of the adapter, where the model has several; by default the active one.

    Raises:
        SettingsError: `every` or `pictures` is out of range.
        AdapterError: When training begins: the model has no such adapter, or one whose update is not
            s·B·A (DoRA, PiSSA, …), or its factors are shared out over devices (FSDP, ZeRO-3).

    Example:
        >>> from lora_lens import SpectralCallback
        >>> callback = SpectralCallback(every=100)
        >>> # Trainer(model=peft_model, args=arguments, callbacks=[callback], ...).train()
    """

    def __init__(
        self,
        every: int | Literal["log"] = "log",
        *,
        pictures: int = 20,
        adapter: str | None = None,
    ) -> None:
        whole = isinstance(every, int) and not isinstance(every, bool) and every >= 1
        if not whole and every != "log":
            raise SettingsError(f"every is {every!r}; expected a number of steps, or 'log'")
        if pictures < 0:
            raise SettingsError(f"pictures is {pictures}; expected 0 for none, or more")
        self._every, self._pictures, self._adapter = every, pictures, adapter
        self._measuring: Measuring | None = None
        self._handler: Any = None
        self._logs, self._last, self._drawn = 0, -1, -1

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the factors as they are for the start, or a checkpoint's where the run goes on from one."""
        self._logs, self._last, self._drawn = 0, state.global_step, -1
        self._handler, self._measuring = handler_around(self), None
        stacks = stacks_of(kwargs["model"], self._adapter)  # in every process, for all to stop
        if not state.is_world_process_zero:
            return
        self._measuring = Measuring(stacks, state.global_step)
        if state.global_step and not self._measuring.restore(_checkpoint(args, state)):
            _log.warning(
                "%s holds no %s that fits: φ is to step %d, where the run goes on, and not to its start",
                _checkpoint(args, state), STATE_NAME, state.global_step,
            )  # fmt: skip

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log, where it is time."""
        if self._every != "log" and state.global_step % self._every == 0:
            self._log_now(args, state, control)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log beside the Trainer's loss, where that was asked for; and at the end, while reporters still listen."""
        logs = kwargs.get("logs") or {}
        if self._every == "log" and "loss" in logs:
            self._log_now(args, state, control)
        if "train_runtime" in logs:
            self._log_now(args, state, control)
            self._draw(state)
            self._measuring = None

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep beside the checkpoint what a resumed run compares with."""
        folder = _checkpoint(args, state)
        if self._measuring is not None and folder.is_dir():
            self._measuring.save(folder)

    def _log_now(self, args: Any, state: Any, control: Any) -> None:
        if self._measuring is None or state.global_step == self._last:
            return
        self._last = state.global_step
        numbers = self._measuring.look(state.global_step)
        logs = {
            f"{_PREFIX}/{module}/{name}": value
            for module, own in numbers.items()
            for name, value in own.items()
        }
        send(self._handler, self, logs, args, state, control)
        self._logs += 1
        if self._pictures and self._logs % self._pictures == 0:
            self._draw(state)

    def _draw(self, state: Any) -> None:
        if self._measuring is None or not self._pictures or self._drawn == state.global_step:
            return
        self._drawn = state.global_step
        measuring, step = self._measuring, state.global_step

        def draw() -> Any:
            from .pictures import layer_sheet, pixels_of  # loads matplotlib

            bases = measuring.bases()
            return pixels_of(layer_sheet(bases, step)) if bases else None

        send_picture(self._handler, f"{_PREFIX}/layers", draw, step)


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
