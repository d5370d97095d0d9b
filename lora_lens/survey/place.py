"""One place: every adapter's factors are streamed twice, once for itself and once for all pairs."""

from __future__ import annotations

import hashlib
import json
from collections import ChainMap, Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..adapter import Placement
from ..bases.opening import open_base
from ..bases.weights import BaseWeights
from ..core.factors.balanced import balanced
from ..core.similarity.pairwise import block_pairs, blocks
from ..errors import BaseModelError
from ..staging import staged
from .places import Place
from .questions.conversions import Conversions
from .questions.interference import Interfering
from .questions.outlying import Outlying
from .questions.pair_block import PairBlock
from .questions.pairs import Pairs
from .questions.question import Facts, One, Question, Rows
from .questions.spanned_sums import SpannedSums, spans_little
from .questions.spectrum import Spectrum
from .questions.spool import TensorSpool
from .questions.subspace import Subspace
from .questions.sums import Sums, folds_of
from .questions.whole_sums import WholeSums
from .reading import Piece, read_factors
from .settings import Settings
from .table import PlaceTable

OpenSpool = Callable[[int, torch.dtype], TensorSpool]
_BLOCK_BYTES = 1 << 22  # of one factor of the adapters that are seen at once


@dataclass(frozen=True)
class PlaceTask:
    """All that a worker is told; it can be sent to another machine that sees the same files.

    Attributes:
        place: Which, and what lies there.
        settings: What is asked, and how.
        folder: To write into.
        file: The name of its file.
        of_w0: Digest of W0, as it was when the survey began; empty where no question needs it.
        base: As in `lora_lens.load_adapter`.
        fan_in_fan_out: Whether an adapter says that W0 is stored (in, out).
        placement: Where the base has W0 that is not where its path says.
        start: The common initial A's piece, where it is given.
    """

    place: Place
    settings: Settings
    folder: Path
    file: str
    of_w0: str
    base: str | None
    fan_in_fan_out: bool
    placement: Placement
    start: Piece | None


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


@contextmanager
def one_thread() -> Iterator[None]:
    """torch with one thread, as long as the block lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ask(task: PlaceTask, table: PlaceTable, stack: ExitStack) -> None:
    def open_spool(d: int, dtype: torch.dtype) -> TensorSpool:
        spool = TensorSpool(d, dtype)
        stack.enter_context(spool)
        return spool

    sums = _sums(task)
    questions = _questions(task, sums, open_spool)
    for name, columns in _answers(task, questions, sums, open_spool):
        table.add(name, columns)


def _answers(
    task: PlaceTask, questions: Sequence[Question], sums: Sums | None, open_spool: OpenSpool
) -> Rows:
    settings = task.settings
    of_pairs = any(question.of_pairs for question in questions)
    spools = _spools(task.place, settings, open_spool) if of_pairs else {}
    for ones in _blocks(task):
        yield from _spool(ones, spools, settings)
        if sums is not None:
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


def _questions(task: PlaceTask, sums: Sums | None, open_spool: OpenSpool) -> list[Question]:
    """Those asked for; a new one has its line here."""
    asked, place = task.settings.questions, task.place
    facts = Facts(
        task.settings,
        len(place.pieces),
        place.out_features,
        place.in_features,
        open_spool,
        _start(task),
    )
    seed = _seed(task)
    made = {
        "spectrum": lambda: Spectrum(facts),
        "pairs": lambda: Pairs(facts, _there(sums)),
        "subspace": lambda: Subspace(facts, _there(sums), seed),
        "outlying": lambda: Outlying(facts),
        "interference": lambda: Interfering(facts),
        "conversions": lambda: Conversions(facts, _w0(task), seed),
    }
    return [make() for name, make in made.items() if name in asked]


def _there(sums: Sums | None) -> Sums:
    assert sums is not None  # made where a question has use for them
    return sums


def _sums(task: PlaceTask) -> Sums | None:
    asked = set(task.settings.questions)
    if not asked & {"pairs", "subspace"}:
        return None
    place, folds = task.place, folds_of(len(task.place.pieces))
    sizes = place.out_features, place.in_features
    usual = Counter(piece.rank for piece in place.pieces).most_common(1)[0][0]
    most = max(usual, task.settings.k)
    if spans_little(sum(piece.rank for piece in place.pieces), *sizes):
        return SpannedSums(folds, *sizes, usual, most=most)
    return WholeSums(folds, *sizes, usual, most=most, energies="subspace" in asked)


def _seed(task: PlaceTask) -> int:
    """Of the place's own draws: another place's are others."""
    words = f"{task.settings.seed} {task.place.label} {task.place.path}"
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")


def _start(task: PlaceTask) -> Float[Tensor, "in k"] | None:
    if task.start is None:
        return None
    a, b = read_factors(task.start, task.base)
    return balanced(a[None], b[None], torch.ones(1, dtype=torch.float64))[0].own_right.mT


def _w0(task: PlaceTask) -> Float[Tensor, "out in"]:
    opened = open_w0(str(task.base), task.fan_in_fan_out, task.placement)
    w0 = w0_at(opened, task.place)
    if digest_of_w0(w0) != task.of_w0:
        raise BaseModelError(
            f"W0 of {task.place.path} in {opened.source} was written to while it was surveyed; run the survey again"
        )
    return w0


def digest_of_w0(w0: Float[Tensor, "out in"]) -> str:
    """Of its numbers, as they are stored."""
    return hashlib.sha256(w0.contiguous().flatten().view(torch.uint8).numpy().data).hexdigest()


def open_w0(base: str, fan_in_fan_out: bool, placement: Placement) -> BaseWeights:
    """The base model, read as the adapters say."""
    opened = open_base(base, download=True, fan_in_fan_out=fan_in_fan_out)
    return replace(opened, placement=placement)


def w0_at(opened: BaseWeights, place: Place) -> Float[Tensor, "out in"]:
    """W0 of a place, checked against its shape.

    Raises:
        BaseModelError: It is not there, or of another shape.
    """
    rows = place.part.whole if place.part else place.out_features
    w0 = opened.weight(place.path, (rows, place.in_features))
    if tuple(w0.shape) != (rows, place.in_features):
        raise BaseModelError(
            f"W0 of {place.path} in {opened.source} is {w0.shape[0]}x{w0.shape[1]}, but the adapters "
            f"were trained on {rows}x{place.in_features}: this is not their base model"
        )
    return place.part.take(w0) if place.part else w0


def _blocks(task: PlaceTask) -> Iterator[list[One]]:
    """Some adapters at a time, in their order."""
    place = task.place
    wide = max(place.out_features, place.in_features) * 8
    for which in blocks([piece.rank * wide for piece in place.pieces], _BLOCK_BYTES):
        pieces = [(number, place.pieces[number]) for number in which]
        read = {number: read_factors(piece, task.base) for number, piece in pieces}
        alike: dict[tuple[int, torch.dtype, torch.dtype], list[int]] = {}
        for number, piece in pieces:
            a, b = read[number]
            alike.setdefault((piece.rank, a.dtype, b.dtype), []).append(number)
        found: dict[int, One] = {}
        for (rank, _, _), numbers in alike.items():
            stacked_a, stacked_b = (
                torch.stack([read[number][side] for number in numbers]) for side in (0, 1)
            )
            scaling = [place.pieces[number].scaling for number in numbers]
            deltas = balanced(stacked_a, stacked_b, torch.tensor(scaling, dtype=torch.float64))
            for number, s, delta in zip(numbers, scaling, deltas, strict=True):
                found[number] = One(number, rank, s, *read[number], delta)
        yield [found[number] for number in which]


def _spools(place: Place, settings: Settings, open_spool: OpenSpool) -> dict[str, TensorSpool]:
    """Bases by matrix: whole ones turned to ΔW's singular vectors, and those asked for where they differ."""
    dtype = getattr(torch, settings.dtype)
    sizes = {"right": place.in_features, "left": place.out_features}
    spools = {name: open_spool(d, dtype) for name, d in sizes.items()}
    own = {"A": "right", "B": "left"}
    if settings.rank is None:
        return spools | {matrix: spools[side] for matrix, side in own.items()}
    return spools | {matrix: open_spool(sizes[side], dtype) for matrix, side in own.items()}


def _spool(ones: Sequence[One], spools: Mapping[str, TensorSpool], settings: Settings) -> Rows:
    """Keep their bases; a row for each that has none."""
    asked, deltas = settings.rank, [one.delta for one in ones]
    if not spools:
        return
    _keep(spools["right"], [delta.right for delta in deltas])
    _keep(spools["left"], [delta.left for delta in deltas])
    for matrix, bases in (
        ("A", [delta.own_right for delta in deltas]),
        ("B", [delta.own_left for delta in deltas]),
    ):
        if asked is not None:
            whole = [rows[: asked if len(rows) >= asked else 0] for rows in bases]
            _keep(spools[matrix], whole)
        for one, rows in zip(ones, bases, strict=True):
            if len(rows) < (asked or 1):
                yield "failed", {"one": one.number, "reason": _short(matrix, len(rows), asked)}


def _keep(spool: TensorSpool, bases: Sequence[Tensor]) -> None:
    spool.add(torch.cat(list(bases)), [len(rows) for rows in bases])


def _short(matrix: str, rank: int, asked: int | None) -> str:
    if not rank:
        return f"{matrix} is all zero here: it has no subspace to compare"
    return f"asked for {asked} singular vectors of {matrix}, which has rank {rank} here"
