"""What a run scored, as its records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...files.run_names import RECORD
from ...training.record import read_record, read_run
from .steps import EVALUATION_NAME


def read_evaluation(folder: Path) -> dict[str, Any]:
    """What ``evaluation.json`` in the folder of a run holds, with the constant answer of the rows that the run was trained on.

    Earlier versions made that of all rows, also where the run had been given fewer, whose own record had it right.

    Raises:
        RecordError: It is missing or broken, or the run's record is broken.
    """
    found = read_record(folder / EVALUATION_NAME, "metric", "score", "majority_score", "rows")
    record = read_run(folder) if (folder / RECORD).exists() else {}
    return found | {"majority_score": record.get("majority_score", found["majority_score"])}
