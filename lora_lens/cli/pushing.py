"""What is said of a push, by whichever command pushes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..terminal.printing import is_watched, say, warnings_as_lines


def pushed(
    folder: Path,
    name: str,
    *,
    files: Sequence[str],
    private: bool,
    as_json: bool,
    again: str | None = None,
) -> str:
    """Push an adapter's files, and say what went and what did not; the commit's address.

    Args:
        folder: Of the adapter.
        name, files, private, again: As in `push`.
        as_json: Whether a program reads what is printed.

    Raises:
        OutputError: They were not pushed.
        KeyboardInterrupt: It was interrupted; its message says what pushes them.
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from ..card.push import by_hand, push

    if not is_watched(as_json=as_json):
        disable_progress_bars()
    try:
        with warnings_as_lines():
            done = push(folder, name, files=files, private=private, again=again)
    except KeyboardInterrupt as error:
        again = again or by_hand(folder, name, files=files, private=private)
        raise type(error)(f": {folder} is whole; push it to {name} by: {again}") from None
    say(f"pushed to {done.commit}")
    if done.shortened:
        say(f"without the paths of this machine: {', '.join(done.shortened)}")
    if done.stays:
        say(f"not pushed: {', '.join(done.stays)}")
    return done.commit
