"""How far a computation is: it calls with how much is done, of how much, and does not ask who listens."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]


def untold(done: int, total: int) -> None:
    """Told to nobody.

    Example:
        >>> untold(1, 2)
    """


def passes(progress: Progress | None, *steps: int) -> tuple[Progress, ...]:
    """The progress of several computations, one after the other, told to `progress` as that of one.

    Each counts in units of its own. What one has left untold when the next begins, or what is left out, counts
    as done; nothing is told twice, and never less than before.

    Args:
        progress: Called with (steps done, all steps); None for nobody.
        steps: How much of all each of them is; 0 for none.

    Returns:
        Of each, what is called with how much of it is done, of how much.

    Example:
        >>> told = []
        >>> layers, draws = passes(lambda *at: told.append(at), 1, 4)
        >>> layers(1, 3), layers(3, 3), draws(100, 200), draws(200, 200)
        (None, None, None, None)
        >>> told
        [(1, 5), (3, 5), (5, 5)]
    """
    if progress is None or progress is untold:
        return (untold,) * len(steps)
    total, told = sum(steps), 0

    def of(before: int, size: int) -> Progress:
        def tell(done: int, all_of_it: int) -> None:
            nonlocal told
            now = before + size * min(done, all_of_it) // max(1, all_of_it)
            if now > told:
                told = now
                progress(now, total)

        return tell

    return tuple(of(sum(steps[:k]), size) for k, size in enumerate(steps))


class Steps:
    """Equal steps that are counted as they are done; more may be found to do on the way.

    Example:
        >>> steps = Steps(print, 2)
        >>> steps.advance()
        1 2
        >>> steps.total += 3
        >>> steps.advance(2)
        3 5
    """

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.total = total
        self._done = 0
        self._progress = progress or untold

    def advance(self, steps: int = 1) -> None:
        """Some steps more are done."""
        self._done += steps
        self._progress(self._done, self.total)
