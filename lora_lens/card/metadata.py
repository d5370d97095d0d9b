"""A run's record → what the hub is told of it: what stands at the top of its model card, and which names are the hub's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ..files.hub_cache import commit_of, repository_of
from ..files.hub_files import is_hub_id
from ..files.locate import local_folder
from ..files.revisions import split_revision
from ..training.data.records import HubSource, on_hub
from ..training.data.tasks import HUB_ID, TASKS
from ..training.methods import METHODS

# The hub's ids, where they are others.
_METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr"}


def metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    """What stands at the top of the card for the hub, which makes it findable; no license: that is for you to say."""
    settings = record["settings"]
    method = settings["method"]
    base = hub_base(record)
    trained_on, metric = data_set(settings, "train"), _metric(record)
    results = _results(record)
    index = [{"name": f"{settings['task']}-{method}", "results": results}]
    return {
        "library_name": "lora-lens" if METHODS[method].from_w0 else "peft",
        **({"base_model": base, "base_model_relation": "adapter"} if base else {}),
        **({"datasets": [trained_on.id]} if trained_on else {}),
        "pipeline_tag": "text-classification",
        "metrics": [metric],
        "tags": [*dict.fromkeys([method, "lora", "lora-lens", settings["task"]])],
        **({"model-index": index} if results else {}),
    }


def _results(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The score on the test rows, where they are a data set of the hub: its index takes no result without the id of one."""
    settings = record["settings"]
    data = data_set(settings, "test")
    if data is None or record.get("test_score") is None:
        return []
    config = {"config": data.config} if data.config else {}
    return [
        {
            "task": {"type": "text-classification", "name": "Text classification"},
            "dataset": {"name": settings["task"], "type": data.id, **config, "split": data.split},
            "metrics": [
                {"type": _metric(record), "value": record["test_score"], "name": record["metric"]}
            ],
        }
    ]


def _metric(record: Mapping[str, Any]) -> str:
    """The hub's id of it."""
    return _METRICS.get(record["metric"], record["metric"])


def hub_base(record: Mapping[str, Any]) -> str | None:
    """The base's hub id, if the run took it from the hub; a folder in the hub's cache is its repository's."""
    base, commit = record["settings"]["base"], record.get("base_commit")
    if is_folder(record):  # whatever lies where this is asked
        return None
    if commit is not None:
        path = Path(base)
        cached = repository_of(path)
        name = cached or (base.partition("@")[0] if commit_of(path) is None else "")
        return name if is_hub_id(name) else None
    name = split_revision(base)[0]
    folder = local_folder(name)
    local = folder is not None and PurePath(name) == PurePath(folder)
    return name if is_hub_id(name) and not local else None


def is_folder(record: Mapping[str, Any]) -> bool:
    """Whether the run took the base from a folder, and none of the hub's cache; older records do not say it."""
    return "base_commit" in record and record["base_commit"] is None


def named(record: Mapping[str, Any]) -> str:
    """A hub id; of a folder its last name, for where it lies is nobody's business."""
    return hub_base(record) or PurePath(record["settings"]["base"]).name


def data_set(settings: Mapping[str, Any], rows: str) -> HubSource | None:
    """The hub's data set that rows are of, and which of its rows; None of files."""
    own, task = settings.get("own"), settings["task"]
    if own is not None:
        return on_hub(own.get(rows) or "")
    splits = TASKS[task].hub_tests if rows == "test" else ("train",)
    return HubSource(HUB_ID, task, "+".join(splits))
