"""A report: one HTML file that is read without the tool, and sent to a colleague."""

import sys
from types import ModuleType
from typing import Any

from .write import report, write_report

__all__ = ["report", "write_report"]


class _Room(ModuleType):
    """``lora_lens.report`` is this room and, called, the function `report`: one name, whoever imports first."""

    def __call__(self, *adapters: Any, **options: Any) -> Any:
        return report(*adapters, **options)


sys.modules[__name__].__class__ = _Room
__doc__ = str(report.__doc__)  # for help(), and the signature beside it
__wrapped__ = report
