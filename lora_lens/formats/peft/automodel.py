"""What NeMo AutoModel says of an adapter that PEFT's configuration has no word for: ``automodel_peft_config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...files.locate import json_of
from ..adapter_files import AdapterFiles

FILE = "automodel_peft_config.json"


def automodels(files: AdapterFiles) -> Mapping[str, Any]:
    """Its settings; empty where the file is not there, or is none of AutoModel's."""
    path = files.find(FILE)
    if path is None:
        return {}
    try:
        said = json_of(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
