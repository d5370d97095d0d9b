"""Names as the paper has them, and its own numbers (RoBERTa-base), to stand beside ours; Table 2's are in ``TASKS``."""

from __future__ import annotations

from collections.abc import Mapping

from ...training.data.tasks import TASKS
from ...training.methods import METHODS


class _Names(dict[str, str]):
    """Titles of methods; an arm is called what its configuration calls it."""

    def __missing__(self, arm: str) -> str:
        return arm


NAMES: Mapping[str, str] = _Names({method: facts.title for method, facts in METHODS.items()})
# Which methods are compared, one less the other.
COMPARED = (("condlora", "lora"), ("condadalora", "adalora"))
TASK_NAMES = {name: task.folder for name, task in TASKS.items()}

# What models call the module that the paper's Table 3 is of.
VALUE_MODULES = frozenset({"value", "v", "v_proj", "v_lin", "value_proj"})
# φ between LoRA and CondLoRA, value, i = j = 8, layers 1 to 12.
TABLE_3: dict[str, tuple[float, ...]] = {
    "A": (0.05, 0.05, 0.06, 0.04, 0.04, 0.08, 0.03, 0.04, 0.03, 0.06, 0.05, 0.07),
    "B": (0.04, 0.03, 0.03, 0.05, 0.05, 0.04, 0.04, 0.03, 0.02, 0.07, 0.08, 0.10),
    "delta": (0.04, 0.03, 0.03, 0.05, 0.05, 0.05, 0.04, 0.03, 0.02, 0.07, 0.09, 0.12),
}
TABLE_3_GAUSSIAN = 8 / 768

# Method to trainable parameters and training examples a second.
TABLE_4 = {"lora": (294_912, 39.652), "condlora": (24_576, 40.303)}
