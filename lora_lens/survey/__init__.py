"""Any questions over any number of adapters: split by place, a file each, joined at the end.

A *place* is one module in one layer. What is asked of it needs the adapters' factors there and, of some
questions, its W0; nothing of another place. So a task is a place, it writes one Parquet file, and no
task knows of another.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .write import survey  # noqa: TC004  (when it is asked for)

__all__ = ["survey"]


# ``lora_lens.survey`` is this room and, called, the function `survey`: one name, whoever imports first. The function is loaded when it
# is asked for: processes that a survey begins import this before they know their task.
class _Room(ModuleType):
    def __call__(self, *adapters: Any, **options: Any) -> Any:
        return self.survey(*adapters, **options)

    def __getattr__(self, name: str) -> Any:
        if name not in {"survey", "__wrapped__"}:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        from .write import survey

        self.survey = self.__wrapped__ = survey
        return survey

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """For help(), which has the signature of what is wrapped."""
        return str(self.survey.__doc__)


sys.modules[__name__].__class__ = _Room
