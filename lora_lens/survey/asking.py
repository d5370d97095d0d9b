"""The questions of a place that are asked, each with what it needs."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.factors.balanced import balanced
from .questions.conversions import Conversions
from .questions.folds import dealt
from .questions.interference import Interfering
from .questions.outlying import Outlying
from .questions.pairs import Pairs
from .questions.question import Facts, OpenSpool, Question
from .questions.spanned_sums import SpannedSums, spans_little
from .questions.spectrum import Spectrum
from .questions.subspace import Subspace
from .questions.sums import Sums
from .questions.whole_sums import WholeSums
from .reading import read_factors
from .task import PlaceTask
from .usual_k import usual_rank
from .w0 import w0_of


def questions_of(task: PlaceTask, open_spool: OpenSpool) -> tuple[list[Question], list[Sums]]:
    """Those asked for, and the sums that they share, which are to see every adapter before them; a new one has its line here."""
    place, seed = task.place, _seed(task)
    facts = Facts(
        task.settings,
        len(place.pieces),
        place.out_features,
        place.in_features,
        open_spool,
        _start(task),
    )
    shared: list[Sums] = []

    def sums() -> Sums:
        if not shared:
            shared.append(_sums(task))
        return shared[0]

    made = {
        "spectrum": lambda: Spectrum(facts),
        "pairs": lambda: Pairs(facts, sums()),
        "subspace": lambda: Subspace(facts, sums(), seed),
        "outlying": lambda: Outlying(facts),
        "interference": lambda: Interfering(facts),
        "conversions": lambda: Conversions(facts, w0_of(task), seed),
    }
    return [made[name]() for name in task.settings.questions], shared


def _sums(task: PlaceTask) -> Sums:
    place = task.place
    by_numbers = dealt([piece.digest for piece in place.pieces], task.settings.seed)
    sizes = place.out_features, place.in_features
    usual = usual_rank(piece.rank for piece in place.pieces)
    most = max(usual, task.settings.k)
    if spans_little(sum(piece.rank for piece in place.pieces), *sizes):
        return SpannedSums(by_numbers, *sizes, usual, most=most)
    energies = "subspace" in task.settings.questions
    return WholeSums(by_numbers, *sizes, usual, most=most, energies=energies)


def _seed(task: PlaceTask) -> int:
    """Of the place's own draws: another place's are others."""
    words = f"{task.settings.seed} {task.place.label} {task.place.path}"
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")


def _start(task: PlaceTask) -> Float[Tensor, "in k"] | None:
    if task.start is None:
        return None
    a, b = read_factors(task.start, task.base)
    return balanced(a[None], b[None], torch.ones(1, dtype=torch.float64))[0].own_right.mT
