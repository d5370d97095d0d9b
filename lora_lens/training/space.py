"""What a search looks through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import optuna

from .settings import RunSettings


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
