"""AdaLoRA's budget in a training run: what is least important is taken away, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import AdaLoraConfig, PeftModel
from transformers import TrainerCallback

from ..errors import SettingsError
from .condlora import CondAdaLoraConfig
from .condlora.triplets import allocation

STATE_NAME = "budget.pt"  # in a checkpoint
_ADAPTER = "default"
_FEWEST_STEPS = 2
_AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class OverBudgetWarning(UserWarning):
    """An adapter is kept whose ranks are more than AdaLoRA's budget."""


class Budget(TrainerCallback):
    """Allocates after every optimizer step, as AdaLoRA says, for PEFT's AdaLoRA and CondLoRA's form of it.

    PEFT's own ``update_and_allocate`` writes what it keeps into the configuration at once; from then
    on checkpoints hold shorter matrices, which a resumed run cannot read. Here a checkpoint holds all of
    them, and `finish` writes it when training has ended. The running means of importance are in the
    checkpoint too.

    Only checkpoints made after the last allocation count, as the best and against a run's patience: one
    from before holds more than the budget. A run that ends before that keeps one of those, and says so.
    """

    def __init__(self, model: PeftModel) -> None:
        self._config = model.peft_config[_ADAPTER]
        if isinstance(self._config, AdaLoraConfig):
            self._allocator, self._view = model.base_model.rankallocator, model.base_model.model
        else:
            self._allocator, self._view = allocation(model, _ADAPTER)
        self._pattern: dict[str, list[bool]] = {}

    @property
    def last(self) -> int:
        """The step, counted from 0, in which the last allocation is made."""
        return int(self._config.total_step - self._config.tfinal)

    def save(self, checkpoint: Path) -> None:
        """Write what a resumed run needs."""
        averages = {name: getattr(self._allocator, name) for name in _AVERAGES}
        torch.save({"pattern": self._pattern, **averages}, checkpoint / STATE_NAME)

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        kept = torch.load(checkpoint / STATE_NAME, weights_only=True)
        self._pattern = kept["pattern"]
        for name in _AVERAGES:
            setattr(self._allocator, name, kept[name])

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        if step > self.last:
            self._allocator.mask_using_rank_pattern(self._view, self._pattern)
            return
        _, pattern = self._allocator.update_and_allocate(
            self._view, step, force_mask=step == self.last
        )
        self._pattern = pattern or self._pattern
        if step == self.last:
            self._allocator.reset_ipt()
            state.best_metric, state.best_global_step, state.best_model_checkpoint = None, 0, None

    def finish(self) -> dict[str, int]:
        """Write into PEFT's configuration, for saving, what the weights that are kept have left; path of each layer to its rank.

        It is read off Λ itself, so that the file is the model that was scored: between two allocations the
        optimizer moves what the one before has taken away, and a checkpoint from there has it again.
        """
        kept = {
            name: (gate != 0).flatten().tolist()
            for name, gate in self._view.named_parameters()
            if f".lora_E.{_ADAPTER}" in name
        }
        if isinstance(self._config, AdaLoraConfig):
            self._config.rank_pattern = kept
        return {name.split(".lora_E")[0]: sum(entries) for name, entries in kept.items()}

    def warn_if_over(self, ranks: Mapping[str, int]) -> None:
        """Say so where the ranks that are left are more than the budget, as where a run ends before the last allocation."""
        total, budget = sum(ranks.values()), self._allocator.target_bgt
        if total > budget:
            warnings.warn(
                f"the layers' ranks are {total} together, over the budget of {budget}: what is kept is from before the last "
                f"allocation, in step {self.last + 1} of {self._config.total_step}",
                OverBudgetWarning,
                stacklevel=3,
            )


def has_budget(model: PeftModel) -> bool:
    """Whether the adapter is one whose ranks are allocated in training."""
    return isinstance(model.peft_config[_ADAPTER], AdaLoraConfig | CondAdaLoraConfig)


def budget_of(steps: int, rank: int, alpha: float) -> dict[str, Any]:
    """AdaLoRA's schedule for a run of so many steps, `rank` a layer in the end.

    Half as much again at the beginning, as its authors have it; a tenth of the steps before anything is
    taken away, two fifths after; at least one of each. α grows with the initial rank, so that ΔW is
    scaled by α/r whatever the method.

    Raises:
        SettingsError: There is one step, and none of them to take anything away in.

    Example:
        >>> schedule = budget_of(100, rank=8, alpha=8)
        >>> [schedule[name] for name in ("init_r", "tinit", "tfinal", "total_step")]
        [12, 10, 40, 100]
    """
    if steps < _FEWEST_STEPS:
        raise SettingsError(
            f"the run has {steps} optimizer step, and AdaLoRA's ranks are allocated over at least "
            f"{_FEWEST_STEPS}; choose more --epochs, or a smaller --batch-size"
        )
    first = max(rank + 1, round(1.5 * rank))
    after = max(1, round(0.4 * steps))
    return {
        "init_r": first,
        "target_r": rank,
        "lora_alpha": alpha / rank * first,
        "tinit": min(round(0.1 * steps), max(0, steps - after - 1)),
        "tfinal": after,
        "deltaT": max(1, min(10, steps // 100)),
        "orth_reg_weight": 0.1,
        "total_step": steps,
    }
