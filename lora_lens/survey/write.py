"""`lora_lens.survey`: the plan, the places that are not there yet, and the tables of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from ..chance.p_values import check_seed
from ..core.computing.progress import Progress, Steps
from ..core.numbers.whole import whole, whole_or_none
from ..errors import LensError, OutputError
from ..files.locate import user_path
from ..ledger import one_command, reads, writing
from ..plain_torch import in_plain_torch
from ..several import several
from ..show.text import as_json
from ..staging import end_begun, none_empty, staged
from .copies import copies_in, copies_said
from .earlier import check_no_others, check_no_places_of_others, sweep_places, sweep_tables
from .failing import failed_lines, failure, not_there
from .far import notes_on_families, notes_on_far
from .joining import join
from .missing import missing_said, places_of_start
from .notes import notes_of
from .one_thread import one_thread
from .page import page
from .place import run_place
from .planning import Failed, Plan, make_plan
from .result import SurveyResult
from .running import Runner, dask_runner
from .settings import Settings, check_settings, questions_named
from .sources import adapters_meant
from .table import parquet, told_by
from .tables import tables
from .task import PlaceTask
from .tasks import PLACES
from .told import told, told_of_shard
from .unguarded import refuse_while_starting
from .words import sentences


@in_plain_torch
@one_command()
def survey(
    adapters: str | Path | Sequence[str | Path],
    out: str | Path = "survey",
    *,
    base: str | Path | None = None,
    questions: str | Sequence[str] | None = None,
    rank: int | None = None,
    start: str | Path | None = None,
    convention: Literal["auto", "stored", "consistent"] = "auto",
    k: int = 32,
    draws: int = 1,
    seed: int = 0,
    dtype: str = "float64",
    processes: int = 1,
    executor: Executor | None = None,
    scheduler: str | None = None,
    shard: str | None = None,
    progress: Progress | None = None,
) -> SurveyResult:
    """Any number of adapters, module by module and layer by layer, and what only many of them can tell.

    Every place, a module in a layer, is a task of its own: it streams the adapters' factors there, asks its
    questions and writes one Parquet file below ``out/places``, whose name holds the hash of all that
    went in. What is there already is not done again, so an interrupted survey goes on where it was, and one
    with an adapter more does all places that this one has. The last step joins the places' tables.
    An adapter that cannot be read is in the table ``failed``, with the reason, and stops nothing.
    Memory does not grow with the adapters but for a few numbers each and, of up to 4,096, a tree of all pairs. Needs
    the extra ``lora-lens[survey]``; docs/survey.md says what each number is.

    Args:
        adapters: One or several of: an adapter as `load_adapter` takes it; a folder of adapters at any depth; a
            ``.txt`` file that lists such, one a line; ``hub:OWNER/BASE``, all adapters on the hub that
            name this base, with ``?author=…&search=…&limit=…`` some of them.
        out: Folder for the tables and the places' files.
        base: As in `load_adapter`. With one, conversions are asked about too, which need its W0; a place of which it
            has none is in ``failed``, and has its other questions.
        questions: One or some of ``spectrum``, ``pairs``, ``subspace``, ``outlying``, ``interference`` and
            ``conversions``; by default all that can be answered.
        rank: i and j of φ; by default each adapter's own rank.
        start: An adapter that was saved before any training, with the A that all began with. By default the span of
            the adapters' mean A stands for it.
        convention: Of conversions; ``auto`` is ``consistent`` where CondLoRA adapters were all trained so, else
            ``stored`` where W0 is square, else ``consistent``.
        k: Most directions that adapters are asked to share.
        draws: Draws of adapters with the same singular values and unrelated directions.
        seed: Of those draws, and of how adapters are dealt into halves.
        dtype: Of the bases and products of pairs; φ of ``float32`` is within 1e-6, in half the time.
        processes: Of this machine, a place each at a time; 1 for none but this one. Each runs a script anew whose
            call does not stand below ``if __name__ == "__main__":``, as it has to there.
        executor: Any executor to send the places to instead. Its workers have to see the same files.
        scheduler: Address of a Dask scheduler, ``tcp://…``, to send them to instead.
        shard: ``K/N``: only every N-th place, beginning with the K-th, and no joining unless all are there.
        progress: Called with the steps done and all steps: adapters read, places finished.

    Returns:
        `SurveyResult`.

    Raises:
        AdapterError: No adapter can be read.
        MissingExtraError: pyarrow, or Dask, is not installed.
        BaseModelError: W0 is needed, and the base is not found, or has none of any place, or one that cannot be read.
        RankError: φ alone is asked for, and no two adapters at a place are of that rank.
        OutputError: `out` cannot be written, or holds a survey of other adapters.
        LensError: Settings that are not known or do not go together; processes that end as they start, for a script has no
            ``if __name__ == "__main__":``; or places failed, the first with its
            reason: what is done is kept, and the same call goes on with the others.

    Example:
        >>> import lora_lens as ll, tempfile
        >>> both = [ll.demo_adapter("lora"), ll.demo_adapter("condlora")]
        >>> result = ll.survey(both, tempfile.mkdtemp(), questions=["spectrum", "pairs"])
        >>> result.adapters, len(result.table("pairs"))
        (2, 2)
    """
    parquet()  # before anything is read
    asked = questions_named(questions, with_w0=base is not None)
    settings = Settings(
        questions=asked, rank=whole_or_none(rank, "rank"), convention=convention, k=whole(k, "k"),
        draws=whole(draws, "draws"), seed=check_seed(seed), dtype=dtype,
    )  # fmt: skip
    check_settings(settings)
    if processes > 1:
        refuse_while_starting()
    part, parts = _shard(shard)
    typed = several(adapters)
    folder = Path(out).resolve()
    with writing(folder), none_empty(folder / PLACES):
        with _runner(processes, executor, scheduler) as runner:
            found, unread = adapters_meant(typed)
            paths = [_absolute(path) for path in found]  # other processes start from other folders
            steps = Steps(progress, len(paths))
            given = [*paths, *(one.path for one in unread)]
            reads(
                *paths, *(one for one in (base, start) if one is not None)
            )  # here too, for other processes open them
            for one in (folder, folder / PLACES):
                end_begun(one)
            check_no_others(folder, given)
            check_no_places_of_others(folder, given)
            with staged(folder), one_thread():  # finds out early that it cannot be written
                plan = make_plan(
                    paths, unread, settings, folder,
                    base=None if base is None else _absolute(str(base)),
                    start=None if start is None else _absolute(str(start)),
                    runner=runner, advance=steps.advance,
                )  # fmt: skip
            own = plan.tasks[part::parts]
            steps.total += len(own)
            reasons = _work(own, runner, steps)
            end_begun(folder / PLACES)  # of a process that was killed, and had none after it there
        there = [task for task in plan.tasks if _is_there(task)]
        bad = not_there(own, there, reasons)
        failed = [*plan.failed, *bad]
        if bad and not there:
            raise failure(folder, bad, own)
        gone: list[str] = []
        if parts > 1 and len(there) < len(plan.tasks):
            result = _part(folder, plan, own, there, failed)
        else:
            result, gone = _joined(folder, plan, there, failed, given)
        if bad:
            raise failure(folder, bad, own, gone)
        return result


def _shard(shard: str | None) -> tuple[int, int]:
    """The first place's position, and the step to the next."""
    if shard is None:
        return 0, 1
    one, _, of = shard.partition("/")
    if one.isdecimal() and of.isdecimal() and 1 <= int(one) <= int(of):
        return int(one) - 1, int(of)
    raise LensError(f"shard is {shard!r}, expected K/N with K from 1 to N, as 3/16")


@contextmanager
def _runner(processes: int, executor: Executor | None, scheduler: str | None) -> Iterator[Runner]:
    if processes < 1:
        raise LensError(f"processes is {processes}, expected at least 1")
    if (processes > 1) + (executor is not None) + (scheduler is not None) > 1:
        raise LensError(
            "processes, executor and scheduler are three ways to do one thing: give one of them"
        )
    if scheduler is None:
        yield Runner(processes, executor)
        return
    with dask_runner(scheduler) as found:
        yield found


def _absolute(path: str) -> str:
    """A path that means the same everywhere; a hub id as it is."""
    here = user_path(path)
    return str(here.absolute()) if here.exists() else path


def _is_there(task: PlaceTask) -> bool:
    """Whether a place's file is there and whole."""
    if not task.path.is_file():
        return False
    try:
        return bool(told_by(task.path))
    except OutputError:
        task.path.unlink(missing_ok=True)  # another survey may have
        return False


def _work(own: Sequence[PlaceTask], runner: Runner, steps: Steps) -> dict[str, str]:
    """Do the places that are not there; file to reason of those that are said to have failed."""
    left = []
    for task in own:
        if _is_there(task):
            steps.advance()
        else:
            left.append(task)
    reasons = {}
    with closing(runner.run(run_place, left)) as ended:
        for done in ended:
            if done.reason is not None:
                reasons[left[done.index].file] = done.reason
            steps.advance()
    return reasons


def _part(
    folder: Path,
    plan: Plan,
    own: Sequence[PlaceTask],
    there: Sequence[PlaceTask],
    failed: Sequence[Failed],
) -> SurveyResult:
    missing = len(plan.tasks) - len(there)
    said = (
        f"{len(there)} of {len(plan.tasks)} places of {len(plan.adapters)} adapters are there, {len(own)} of "
        f"them this shard's; the same command without --shard joins them when all are."
    )
    return SurveyResult(
        folder, (said,), len(plan.adapters), len(plan.tasks), missing, failed_lines(failed), (),
        _files(there), told_of_shard(plan, failed, said, missing), (), (), (),
    )  # fmt: skip


def _files(tasks: Sequence[PlaceTask]) -> dict[tuple[str, int | None], str]:
    return {(task.place.module, task.place.layer): f"{PLACES}/{task.file}" for task in tasks}


def _joined(
    folder: Path,
    plan: Plan,
    there: Sequence[PlaceTask],
    failed: Sequence[Failed],
    given: Sequence[str],
) -> tuple[SurveyResult, list[str]]:
    """The tables of these places, and names of those that an earlier survey had left and that are removed."""
    with staged(folder, last="survey.json", result=True) as temporary, one_thread():
        joined = join(plan, there, failed, temporary)
        failed = [*failed, *joined.without]
        copies = copies_in(plan)
        notes = [
            *copies_said(copies),
            *notes_of(plan, mean_a=bool(places_of_start(joined.places, joined.subspace))),
            *joined.notes,
            *missing_said(plan, there, joined),
        ]
        if joined.outlying:
            notes += notes_on_far(joined.outlying)
            notes += notes_on_families(joined.outlying, joined.pairs, plan.names)
        said = sentences(plan, joined, failed, len(there), copies)
        shown, whole = (
            tables(joined, failed, start_given=plan.start_given, rank=rank)
            for rank in (plan.usual_rank, None)
        )
        numbers = told(plan, joined, failed, " ".join(said), len(there), notes)
        files = (("survey.md", page(said, whole, notes)), ("survey.json", as_json(numbers)))
        for name, text in files:
            (temporary / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        check_no_others(folder, given)  # that came meanwhile
    if len(there) == len(plan.tasks):
        # Of those that could not be read this time, none.
        sweep_places(folder, there, [known.path for known in plan.adapters.values()])
    gone = sweep_tables(folder, set(joined.files))
    if gone:  # of this call alone: the files are the same without it
        notes.append(f"removed what an earlier survey of other questions left: {', '.join(gone)}")
    result = SurveyResult(
        folder, said, len(plan.adapters), len(plan.tasks), len(plan.tasks) - len(there), failed_lines(failed),
        joined.files, _files(there), numbers, shown, whole, tuple(notes),
    )  # fmt: skip
    return result, gone
