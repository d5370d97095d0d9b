"""What a run leaves behind: its adapter, and ``run.json`` with everything that a reader may ask."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RecordError
from ..files.json_files import read_json
from ..files.peft_names import CONFIG, WEIGHTS
from ..files.revisions import split_revision
from ..files.run_names import RECORD
from ..labelled import finite
from ..show.text import as_json
from ..staging import staged
from .as_asked import CHECKSUMS, asked_of_run, deciding, first_difference

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

    from .settings import RunSettings

FILES = (CONFIG, WEIGHTS, RECORD)  # that `write_adapter` leaves
FORMAT = 1  # of a run's, a search's and an analysis's records; older ones do not say it
_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "lora-lens")


def read_record(path: Path, *needs: str) -> dict[str, Any]:
    """What a record holds, of a run, of a search or of a step of an experiment.

    Args:
        path: Of the file.
        needs: Keys that it must have.

    Raises:
        RecordError: It is missing or broken, lacks one of these, or is of a later lora-lens.
    """
    found = read_json(path, RecordError)
    if found.get("format", FORMAT) != FORMAT:
        raise RecordError(
            f"{path} has format {found['format']!r}, and this lora-lens reads {FORMAT}; update it"
        )
    if lacking := [key for key in needs if key not in found]:
        raise RecordError(
            f"{path} has no {lacking[0]!r}, expected the record as it was written; move it away to have it made anew"
        )
    return found


def read_run(folder: Path, *needs: str) -> dict[str, Any]:
    """What ``run.json`` in the folder of a run holds; takes and raises what `read_record` does."""
    return read_record(folder / RECORD, *needs)


def record_of_run(
    folder: Path, settings: RunSettings, checksums: Mapping[str, str]
) -> dict[str, Any] | None:
    """The record of a finished run in a folder that was made with just these settings of just these data, if one is there.

    Args:
        folder: Of the run.
        settings: Resolved.
        checksums: Of the data, by file.

    Raises:
        RecordError: The record that is there is broken.
    """
    if not (folder / CONFIG).exists() or not (folder / RECORD).exists():
        return None
    record = read_run(folder, "settings")
    made = deciding(record["settings"] | {CHECKSUMS: record.get(CHECKSUMS)})
    return None if first_difference(made, asked_of_run(settings, checksums)) else record


def as_record(found: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """The text of a record: JSON, in which a number that is not finite is null.

    Example:
        >>> as_record({"history": [{"loss": float("nan")}], "seeds": (0, 1)}, indent=None).rstrip()
        '{"history": [{"loss": null}], "seeds": [0, 1]}'
    """
    return as_json(finite(found), indent=indent)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a run's numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def device_name(device: torch.device) -> str:
    """The card's name, or the kind of device."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def parameter_counts(model: PeftModel) -> dict[str, int]:
    """Trainable parameters of the adapter, and of the head, which every method trains alike."""
    trainable = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    head = sum(size for name, size in trainable.items() if "modules_to_save" in name.split("."))
    return {
        "trainable_parameters": sum(trainable.values()) - head,
        "head_parameters": head,
    }


def score_history(log: Iterable[dict[str, Any]]) -> list[dict[str, float | None]]:
    """A Trainer's log → development score and losses at every evaluation.

    The training loss is the mean since the evaluation before.
    """
    history: list[dict[str, Any]] = []
    losses: dict[int, float] = {}
    for row in log:
        if "loss" in row:
            losses[row["step"]] = row["loss"]
        if "eval_score" in row:
            history.append(
                {
                    "epoch": round(row["epoch"], 4),
                    "step": row["step"],
                    "development_score": row["eval_score"],
                    "development_loss": row["eval_mean_loss"],
                }
            )
    for entry in history:
        entry["train_loss"] = losses.get(int(entry["step"]))
    return history


def write_adapter(model: PeftModel, base: str, out: Path, record: dict[str, Any]) -> None:
    """Write the adapter and its record, whole or not at all.

    Raises:
        OutputError: They cannot be written.
    """
    from ..files.saving import told_by_the_system  # loads torch

    for config in model.peft_config.values():
        config.base_model_name_or_path, config.revision = split_revision(base)
    with staged(out, last=CONFIG) as folder:
        with told_by_the_system(folder):
            model.save_pretrained(str(folder))
        (folder / RECORD).write_text(as_record(record), encoding="utf-8")
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
