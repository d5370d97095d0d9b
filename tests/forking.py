"""Processes that begin with what they need imported, of a server that has done so: half of what starting one takes, or more."""

from __future__ import annotations

from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext

_loaded: tuple[str, ...] = ()


def forking(*modules: str) -> ForkServerContext:
    """Of processes that have these modules and what they import, and nothing else that has been imported here.

    Python has one server; where it has loaded other modules, it is begun anew.
    """
    global _loaded  # noqa: PLW0603
    context = get_context("forkserver")
    if modules != _loaded:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        context.set_forkserver_preload(list(modules))
        _loaded = modules
    return context
