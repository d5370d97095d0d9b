"""The record of measured speed, and whether it is of what the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...labelled import Row
from ...training.record import read_record
from ..experiment.config import Config
from .as_configured import refuse_other

RECORD_NAME = "speed.json"


def read_speed(out: Path) -> dict[str, Any]:
    """What `lora_lens.reproduction.runs.speed.measure_speed` wrote; raises as `read_record` does."""
    return read_record(out / RECORD_NAME)


def measured(config: Config) -> Row:
    """The settings that a measured speed is of: the first task's, and the base model."""
    task = next(iter(config.tasks))
    settings = config.settings(task, config.methods[0])
    return {
        "base": config.base,
        "rank": settings.rank,
        "alpha": settings.alpha,
        "target_modules": list(settings.target_modules),
        "convention": settings.convention,
    }


def check(out: Path, config: Config) -> None:
    """Nothing, where what was measured is what is wanted; older records do not have every setting.

    Raises:
        SettingsError: It was over another number of steps, or of tokens a row, of other settings or methods.
    """
    record, wanted = read_speed(out), config.analysis
    settings = config.settings(next(iter(config.tasks)), config.methods[0])
    done_of: Row = record.get("settings", {})
    lacking = [method for method in config.methods if method not in record["methods"]]
    compared = (
        ("speed_steps", record.get("steps"), wanted.speed_steps),
        ("speed_length", record.get("tokens"), wanted.speed_length),
        ("batch_size", record.get("batch_size"), settings.batch_size),
        ("methods", ", ".join(record["methods"]) if lacking else None, ", ".join(config.methods)),
        *((name, done_of.get(name), asked) for name, asked in measured(config).items()),
    )
    refuse_other(out / RECORD_NAME, compared, remove="the file")
