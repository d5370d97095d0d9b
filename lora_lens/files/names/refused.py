"""Names that no library gives a tensor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...errors import FileFormatError

MOST_NAMES = (
    1 << 18
)  # of tensors that are read together; the largest models have a hundred thousand
_LONGEST, _DEEPEST = 1_000, 100


def check_names(source: str | Path, names: Iterable[str]) -> None:
    """Refuse names that no library gives a tensor, and that would go on to terminals, pages and files.

    Args:
        source: For messages.
        names: Of tensors.

    Raises:
        FileFormatError: One holds control characters, or is longer than paths of modules are; or there are more than `MOST_NAMES`.
    """
    for count, name in enumerate(names):
        if count >= MOST_NAMES:
            raise too_many_names(source)
        if not name.isprintable():
            raise FileFormatError(
                f"{source} has a tensor named {name!r}, with characters that cannot be printed; expected a "
                f"module's path: rename it"
            )
        if len(name) > _LONGEST or name.count(".") > _DEEPEST:
            raise FileFormatError(
                f"{source} has a tensor whose name {name!r} has {len(name):,} letters and {name.count('.'):,} "
                f"dots, expected at most {_LONGEST:,} and {_DEEPEST}"
            )


def too_many_names(source: str | Path) -> FileFormatError:
    """The error of what has more names than `MOST_NAMES`.

    Example:
        >>> too_many_names("lora.safetensors")
        FileFormatError('lora.safetensors has more than 262,144 tensors, expected at most so many: save those that are needed alone')
    """
    return FileFormatError(
        f"{source} has more than {MOST_NAMES:,} tensors, expected at most so many: save those that are needed alone"
    )
