"""Any questions over any number of adapters: split by place, a file each, joined at the end.

A *place* is one module in one layer. What is asked of it needs the adapters' factors there and, of some
questions, its W0; nothing of another place. So a task is a place, it writes one Parquet file, and no
task knows of another.
"""

import sys
from types import ModuleType
from typing import Any

from .write import survey

__all__ = ["survey"]


class _Room(ModuleType):
    """``lora_lens.survey`` is this room and, called, the function `survey`: one name, whoever imports first."""

    def __call__(self, *adapters: Any, **options: Any) -> Any:
        return survey(*adapters, **options)


sys.modules[__name__].__class__ = _Room
__doc__ = str(survey.__doc__)  # for help(), and the signature beside it
__wrapped__ = survey
