"""What NeMo AutoModel says of an adapter that PEFT's configuration has no word for: ``automodel_peft_config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...files.json_files import object_in
from ..adapter_files import AdapterFiles

FILE = "automodel_peft_config.json"


def automodels(files: AdapterFiles) -> Mapping[str, Any]:
    """Its settings; empty where the file is not there, or is none of AutoModel's."""
    return object_in(files.find(FILE))
