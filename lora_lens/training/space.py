"""What a search looks through, and how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SettingsError
from .settings import RunSettings

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "qmc"]


@dataclass(frozen=True)
class Space:
    """What is searched. The defaults are the paper's: the learning rate alone, log-uniform.

    Attributes:
        learning_rate: Lowest and highest.
        ranks, alphas: Values to choose from; empty: the settings' own.
        dropout: Lowest and highest, uniform; None: the settings' own.
    """

    learning_rate: tuple[float, float] = (5e-5, 5e-3)
    ranks: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    dropout: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what holds nothing to try.

        Raises:
            SettingsError: Names it.
        """
        low, high = self.learning_rate
        if not 0 < low < high < math.inf:
            raise SettingsError(f"the lowest learning rate is {low} and the highest {high}")
        for name, values in (("rank", self.ranks), ("alpha", self.alphas)):
            unfit = [value for value in values if not 0 < value < math.inf]
            if unfit:
                raise SettingsError(f"{name} {unfit[0]} cannot be tried, only one above 0")
        if self.dropout is not None:
            least, most = self.dropout
            if not 0 <= least < most <= 1:
                raise SettingsError(
                    f"the lowest dropout is {least} and the highest {most}; expected 0 to 1"
                )

    def suggest(self, trial: optuna.Trial, settings: RunSettings) -> RunSettings:
        """The settings of one trial."""
        chosen: dict[str, Any] = {
            "learning_rate": trial.suggest_float("learning_rate", *self.learning_rate, log=True)
        }
        if self.ranks:
            chosen["rank"] = trial.suggest_categorical("rank", self.ranks)
        if self.alphas:
            chosen["alpha"] = trial.suggest_categorical("alpha", self.alphas)
        if self.dropout:
            chosen["dropout"] = trial.suggest_float("dropout", *self.dropout)
        return replace(settings, **chosen)


@dataclass(frozen=True)
class Plan:
    """How a study searches; another plan is another study.

    Attributes:
        space: What is searched.
        seeds: With each of which a trial is trained; its score is their mean.
        sampler: Who proposes trials.
        prune: Whether a trial that falls below the median of the others is stopped.
    """

    space: Space
    seeds: tuple[int, ...]
    sampler: Sampler
    prune: bool


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds, none of them there twice.

    Raises:
        SettingsError: One is.
    """
    if len(set(seeds)) != len(seeds):
        raise SettingsError(
            f"seeds of a trial are {', '.join(map(str, seeds))}; expected each once"
        )
    return tuple(seeds)
