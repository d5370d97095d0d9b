"""One place: every adapter's factors are streamed twice, once for itself and once for all pairs."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import torch

from ..core.similarity.pairwise import block_pairs
from ..staging import staged
from .asking import questions_of
from .blocks import blocks_of
from .one_thread import one_thread
from .questions.pair_block import PairBlock
from .questions.question import OpenSpool, Question, Rows
from .questions.spool import TensorSpool
from .settings import Settings
from .spooling import spool, spools_of
from .table import PlaceTable
from .task import PlaceTask


def run_place(task: PlaceTask) -> str:
    """Ask all questions of one place and write its file, whole or not at all.

    With one thread, so that the bytes do not depend on who runs it; the machine is filled by places.

    Returns:
        The name of the file.

    Raises:
        LensError: W0 does not fit, or the file cannot be written.
    """
    place = task.place
    told = {
        "place": json.dumps({"module": place.module, "layer": place.layer, "path": place.path}),
        "settings": task.settings.told(),
        "adapters": json.dumps([piece.digest for piece in place.pieces]),
        "sources": json.dumps([piece.path for piece in place.pieces]),
    }
    labels = {"module": place.module, "layer": place.layer}
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        folder = stack.enter_context(staged(task.folder))
        table = stack.enter_context(PlaceTable(folder / task.file, labels, told))
        _ask(task, table, stack)
    return task.file


def _ask(task: PlaceTask, table: PlaceTable, stack: ExitStack) -> None:
    def open_spool(d: int, dtype: torch.dtype) -> TensorSpool:
        found = TensorSpool(d, dtype)
        stack.enter_context(found)
        return found

    for name, columns in _answers(task, open_spool):
        table.add(name, columns)


def _answers(task: PlaceTask, open_spool: OpenSpool) -> Rows:
    settings = task.settings
    questions, shared = questions_of(task, open_spool)
    of_pairs = any(question.of_pairs for question in questions)
    spools = spools_of(task.place, settings, open_spool) if of_pairs else {}
    for ones in blocks_of(task.place, task.base):
        yield from spool(ones, spools, settings)
        for sums in shared:
            sums.see(ones)
        for question in questions:
            yield from question.see(ones)
    for question in questions:
        yield from question.seen(spools)
    for block in _pair_blocks(questions, spools, settings) if of_pairs else ():
        for question in questions:
            yield from question.pair(block)
    for question in questions:
        yield from question.finish()


def _pair_blocks(
    questions: Sequence[Question], spools: Mapping[str, TensorSpool], settings: Settings
) -> Iterator[PairBlock]:
    """Every pair of adapters, in blocks of so many singular vectors."""
    every = dict(ChainMap(*(question.spools for question in questions), dict(spools)))
    widths = [max(1, *own) for own in zip(*(s.widths for s in every.values()), strict=True)]
    for rows, others in block_pairs(widths, settings.columns):
        yield PairBlock(rows, others, every)
