"""The commands that train need the extra ``train``; without it they say the pip line."""

from __future__ import annotations


def training_libraries() -> None:
    """Import what training needs, and keep it quiet.

    Raises:
        MissingExtraError: A library of the extra is not installed.
    """
    from ..errors import MissingExtraError

    try:
        from ..training import run, search
        from ..training.progress import quiet_libraries
    except ImportError as error:
        raise MissingExtraError(
            f'training needs the extra: pip install "lora-lens[train]" ({error})'
        ) from error
    del run, search
    quiet_libraries()
