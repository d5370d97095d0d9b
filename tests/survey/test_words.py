"""What is said of a survey."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import run as run_command
from made_runs import WIDTH, write_adapter
from safetensors.numpy import load_file, save_file

import lora_lens as ll
from lora_lens.core.similarity.phi_by_chance import closest_by_chance
from lora_lens.survey.all_pairs import kinds, tiles, tree
from lora_lens.survey.all_pairs.nearest import Nearest
from lora_lens.survey.all_pairs.phi import FoundPairs
from lora_lens.survey.families import Families
from lora_lens.survey.far import WhoIsFar
from lora_lens.survey.joined import Joined
from lora_lens.survey.planning import Failed
from lora_lens.survey.tables import tables
from lora_lens.survey.words import _alike, _held


def test_a_null_that_some_places_have_stands_beside_their_own_phi() -> None:
    """φ of all of them beside it would be an excess that is none."""
    some = {"phi": 0.1, "gaussian_mean": 0.1, "mean_adapter_mean": 0.1, "start_mean": 0.1}
    other = {"phi": 0.3, "gaussian_mean": 0.3, "mean_adapter_mean": None, "start_mean": 0.2}
    assert list(_alike("B", [some, some, other], start_given=True)) == [
        "φ of B between two is 0.167: unrelated ones have 0.167, ones alike only in their start 0.133.",
        "At 2 of 3 places it is 0.100: ones alike only in the mean ΔW's directions have 0.100.",
    ]
    estimated, _ = _alike("A", [some, some, other], start_given=False)
    assert "ones alike only in their mean A 0.133" in estimated


def held(k: int, directions: str, left_out: float, count: int = 1) -> list[dict[str, object]]:
    row = {
        "side": "right",
        "k": k,
        "directions": directions,
        "left_out": left_out,
        "chance": k / 64,
    }
    return [row] * count


def test_what_the_others_hold_stands_beside_their_mean_and_start() -> None:
    rows = [*held(4, "shared", 0.9), *held(4, "mean adapter", 0.8), *held(4, "start", 0.7)]
    assert list(_held(rows, 4, start_given=True)) == [
        "4 input directions shared by the others hold 0.900 of an adapter's ΔW, 4 of the mean adapter 0.800, "
        "4 of their start 0.700, where k/d is 0.062."
    ]
    (said,) = _held(rows, 4, start_given=False)
    assert "4 of their mean A 0.700" in said


def test_the_mean_adapter_of_fewer_directions_is_compared_at_as_many() -> None:
    """One of 30 directions holds no 32, and a dash says nothing."""
    wide = held(32, "shared", 0.5)
    rows = [*wide, *held(16, "shared", 0.3), *held(16, "mean adapter", 0.2)]
    (said,) = _held(rows, 30, start_given=False)
    assert said.startswith("16 input directions shared by the others hold 0.300")
    assert list(_held(wide, 30, start_given=False)) == [
        "32 input directions shared by the others hold 0.500 of an adapter's ΔW, where k/d is 0.500."
    ]


def test_a_direction_that_all_have_learnt_is_not_called_their_start(tmp_path: Path) -> None:
    """A of each begins by itself; one input direction is added to all of them."""
    rng = np.random.default_rng(0)
    learnt = rng.standard_normal(WIDTH)

    def factors(*_: object) -> tuple[np.ndarray, np.ndarray]:
        a = rng.standard_normal((3, WIDTH)) + 3 * rng.standard_normal((3, 1)) * learnt
        return a, rng.standard_normal((WIDTH, 3))

    for k in range(8):
        write_adapter(tmp_path / "runs" / f"{k}", factors)
    said = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"]).summary
    assert "in their start" not in said
    assert "at least" not in said
    assert "ones alike only in their mean A" in said


def test_one_adapter_has_no_cross_terms(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen / "seed-3", tmp_path / "out")
    assert "cross terms" not in result.summary
    assert "–" not in result.summary
    assert not [table for table in result.tables if table.title.startswith("Sum of all")]
    assert "cross terms" in ll.survey(dozen, tmp_path / "all").summary


def test_counts_are_of_what_is_in_the_tables(dozen: Path, tmp_path: Path) -> None:
    """An adapter of no B has no subspace at four places, one of another width has no place at all."""
    rng = np.random.default_rng(0)
    write_adapter(
        dozen / "zero", lambda *_: (rng.standard_normal((3, WIDTH)), np.zeros((WIDTH, 3)))
    )
    write_adapter(dozen / "wide", seed=7, width=32)
    done = run_command("survey", str(dozen), "-o", str(tmp_path / "out"), "--questions", "pairs")
    told = json.loads((tmp_path / "out" / "survey.json").read_text())
    assert told["adapters"] == 13
    assert told["summary"].startswith("13 adapters at 4 places. ")
    assert told["summary"].endswith(" 1 is of another shape everywhere.")
    for row in told["by_place"]:
        assert row["adapters"] == (13 if row["matrix"] == "A" else 12)
        assert row["pairs"] == row["adapters"] * (row["adapters"] - 1) // 2
    assert len(told["failed"]) == 8
    assert len((tmp_path / "out" / "failed.csv").read_text().splitlines()) == 1 + 8
    assert len((tmp_path / "out" / "adapters.csv").read_text().splitlines()) == 1 + 13
    assert "left out: 5 more, in failed.csv" in done.stderr
    assert "zero" in (tmp_path / "out" / "survey.md").read_text()


def test_one_of_many_places_does_not_hide_who_else_is_left_out() -> None:
    failed = [Failed("wide", "query", k, "of another base") for k in range(20)]
    failed += [Failed("zero", "query", k, "B is all zero here") for k in range(2)]
    (table,) = tables(Joined(("failed.parquet", "failed.csv")), failed)
    assert [row[0] for row in table.rows[:4]] == ["wide", "zero", "wide", "zero"]
    assert table.title == "Left out, 12 of 22; each is in failed.csv"
    (of_many,) = tables(Joined(("failed.parquet",)), failed)
    assert of_many.title == "Left out, 12 of 22; each is in failed.parquet"


@pytest.mark.parametrize(
    ("count", "on_terminal", "on_page"),
    [(13, "survey.md", None), (201, "far.parquet", "far.parquet")],
)
def test_a_title_names_a_file_that_holds_each(
    count: int, on_terminal: str, on_page: str | None
) -> None:
    """Of 500 rows survey.md has the first 200, and the terminal said that each is there."""
    numbers = dict.fromkeys(("value", "expected", "z", "p_holm"), 0.0)
    row = {"adapter": "one", "module": "query", "layer": 1, "quantity": "norm", **numbers}
    far = WhoIsFar((row,) * count, {})
    members = tuple(f"run-{k}" for k in range(count))
    families = (Families("B", {3: members}, (), ()),)
    joined = Joined(("outlying.parquet", "clusters.parquet"), families=families, outlying=far)
    for where, rank in ((on_terminal, 8), (on_page, None)):
        for table, name in zip(
            tables(joined, (), rank=rank), ("clusters", "outlying"), strict=True
        ):
            said = table.title.partition("each is in ")[2]
            assert said == (where or "").replace("far", name)


def test_tables_of_many_places_leave_no_module_out() -> None:
    """They showed the first 48 and the first 12: the text model's, and none of the vision model's."""
    names = ("text.q", "vision.q")
    places = [
        {"module": name, "layer": k, "matrix": matrix, "adapters": 3, "phi": (k + at) / 100, "gaussian_mean": 0.1, "gaussian_z": k - 9}
        for matrix in "AB" for at, name in enumerate(names) for k in range(20)
    ]  # fmt: skip
    merges = [
        {"module": name, "layer": k, "cross_energy": k / 100, "sd": 0.02, "z": k / 2}
        for name in names for k in range(20)
    ]  # fmt: skip
    pairs = FoundPairs("A and B", tuple(places), 0, [], None, tree.Clustered(), Nearest(0))
    joined = Joined(pairs=(pairs,), merges=tuple(merges))
    assert [len(table.rows) for table in tables(joined, ())] == [80, 40]
    by_place, summed = tables(joined, (), rank=8)
    firsts = [row for row in by_place.rows if row[0]]
    assert [row[:4] for row in firsts] == [
        [name, matrix, "least", "20"] for matrix in "AB" for name in names
    ]
    assert by_place.title.endswith("each column by itself; each is in survey.md")
    assert [row[5] for row in by_place.rows[3:6]] == ["0.0100", "0.1000", "0.2000"]
    assert [row[0] for row in summed.rows] == ["text.q", "", "", "vision.q", "", ""]
    assert summed.rows[-1][-2:] == ["0.190 ± 0.020", "+9.5"]


def test_the_closest_pairs_z_is_told_beside_what_unrelated_ones_have(tmp_path: Path) -> None:
    """Of 5 adapters at 24 places and 25 at 2 most pairs have 2, where φ of lines leans far to the right."""
    modules = [f"m{k}" for k in range(12)]
    for k in range(30):
        own = modules if k < 5 else modules[:1]
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, rank=1, modules=own)
    ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"])
    page = (tmp_path / "out" / "survey.md").read_text()
    told = [
        float(one)
        for one in re.findall(r"435 pairs; unrelated, the closest has z \+([\d.]+)", page)
    ]
    chance = ll.gaussian_baseline(WIDTH, 1, 1)
    sd = chance.sd / np.sqrt([24, 2])
    expected = closest_by_chance(np.full(2, chance.mean), sd, np.array([10, 425]), np.zeros(2))
    assert told == pytest.approx([expected] * 2, abs=0.06)
    many = closest_by_chance(np.array([chance.mean]), sd[:1], np.array([435]), np.zeros(1))
    assert expected > many + 0.5


def test_all_pairs_are_counted_though_their_kinds_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some adapters against all at a time: the count went on for as long as kinds were kept."""
    monkeypatch.setattr(kinds, "_MOST_KINDS", 2)
    monkeypatch.setattr(tiles, "_TILE", (2, 4))
    for k in range(8):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, rank=1 + k)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions="pairs")
    titles = [table.title for table in found.tables if table.title.startswith("Closest")]
    assert titles == [f"Closest in {matrix}, mean over the places (28 pairs)" for matrix in "AB"]


@pytest.mark.parametrize("starts", [1, 2])
def test_a_cut_that_is_not_at_chance_is_told(tmp_path: Path, starts: int) -> None:
    """Two families of one start are above chance together, and B's of nothing are in none."""
    rng = np.random.default_rng(6)
    common = rng.standard_normal((3, WIDTH))
    of = [common + rng.standard_normal((3, WIDTH)) for _ in range(starts)]
    for k in range(12):
        made = (of[k % starts] + 0.1 * rng.standard_normal((3, WIDTH)), rng.standard_normal((WIDTH, 3)))  # fmt: skip
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, made=made: made)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"])
    clusters = result.table("clusters").groupby("matrix")["cluster"].nunique()
    assert clusters["A"] == starts
    found = result.to_dict()["clusters"]["A"]
    assert [len(one["members"]) for one in found["clusters"]] == [12 // starts] * starts
    assert found["in_none"] == found["not_in_the_tree"] == []
    told = [note for note in result.notes if "largest gap, which is arbitrary" in note]
    assert len(told) == (starts > 1)
    assert all(note.startswith("every merge of A's tree is above chance") for note in told)


@pytest.mark.parametrize("alike", [0, 3, 6])
def test_z_of_merges_are_of_unrelated_b_whatever_a_share(tmp_path: Path, alike: int) -> None:
    """Of six, some of one start, B unrelated: by unrelated A z were √(in/r) = 2.8 times as wide, though nothing was learnt alike."""
    rng = np.random.default_rng(5)
    modules = [f"m{k}" for k in range(30)]
    start = {
        (layer, name): rng.standard_normal((3, WIDTH)) for layer in range(2) for name in modules
    }

    def factors(seed: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        a = (seed < alike) * start[layer, module] + 0.1 * rng.standard_normal((3, WIDTH))
        return a, rng.standard_normal((WIDTH, 3))

    for k in range(6):
        write_adapter(tmp_path / "runs" / f"{k}", factors, seed=k, modules=modules)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["interference"])
    (summed,) = [table for table in result.tables if table.title.startswith("Sum of all")]
    assert summed.head[-2:] == ["cross energy ± sd of unrelated B", "z"]
    told = json.loads((tmp_path / "out" / "survey.json").read_text())
    z = [row["z"] for row in told["merges"]]
    assert len(z) == 60
    assert np.std(z) == pytest.approx(1, rel=0.3)


def test_copies_of_an_adapter_are_counted_and_named(tmp_path: Path) -> None:
    """Once under another name, once by its file; one that differs in a single place is none."""
    runs = tmp_path / "runs"
    for k in range(3):
        write_adapter(runs / f"seed-{k}", seed=k)
    once = ll.survey(runs, tmp_path / "once", questions=["pairs"])
    assert once.summary.startswith("3 adapters at 4 places. ")
    assert not any("same numbers" in note for note in once.notes)

    shutil.copytree(runs / "seed-1", tmp_path / "again" / "renamed")
    (other := runs / "seed-1" / "other").mkdir()
    changed = load_file(runs / "seed-1" / "adapter_model.safetensors")
    changed[min(changed)] = changed[min(changed)] * 2
    save_file(changed, other / "adapter_model.safetensors")
    shutil.copy(runs / "seed-1" / "adapter_config.json", other)
    given = [runs, runs / "seed-1" / "adapter_model.safetensors", tmp_path / "again", other]
    found = ll.survey(given, tmp_path / "out", questions=["pairs"])
    assert found.summary.startswith("6 adapters, 2 of them copies of others, at 4 places. ")
    (said,) = [note for note in found.notes if "same numbers" in note]
    assert said == found.notes[0]
    assert said.startswith("2 adapters have the same numbers as another at every place (seed-1, ")
    assert "renamed" in said
    assert "other" not in said.partition("(")[2].partition(")")[0]


def test_too_many_for_a_tree_are_told_once_of_each_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "_MOST_CLUSTERED", 2)
    for k in range(3):
        write_adapter(tmp_path / "runs" / str(k), seed=k)
    notes = ll.survey(tmp_path / "runs", tmp_path / "out", questions="pairs").notes
    told = [note for note in notes if note.startswith("no clusters of")]
    assert told == [
        f"no clusters of {matrix}: a tree is made of at most 2 adapters, and these are 3"
        for matrix in "AB"
    ]


@pytest.mark.parametrize("given", [True, False])
def test_what_stands_for_an_unknown_start_is_called_so(
    dozen: Path, tmp_path: Path, given: bool
) -> None:
    """It was headed as the start, which it is of none where runs of two seeds are in."""
    start = write_adapter(tmp_path / "start", seed=90) if given else None
    asked = ["pairs", "subspace"]
    result = ll.survey(dozen, tmp_path / "out", questions=asked, start=start)
    told = [note for note in result.notes if note.startswith("runs of one seed begin with the same A")]  # fmt: skip
    assert len(told) == (not given)
    shown = (tmp_path / "out" / "survey.md").read_text()
    own, other = ("start", "mean A") if given else ("mean A", "start")
    cells = {cell.strip() for line in shown.splitlines() for cell in line.split("|")}
    assert own in cells
    assert other not in cells
    assert "start_mean" in result.table("places")
    assert "start" in set(result.table("subspace")["directions"])


def test_how_many_norms_there_are_says_nothing_of_a_start(dozen: Path, tmp_path: Path) -> None:
    assert ll.survey(dozen, tmp_path / "out", questions="spectrum").notes == ()


@pytest.mark.parametrize("base", [None, "owner/one"])
def test_bases_that_share_no_place_are_told_first(tmp_path: Path, base: str | None) -> None:
    """Means were over both, and the sentence said nothing of it; of one base that is as it was asked."""
    for k in range(3):
        write_adapter(tmp_path / "runs" / f"a-{k}", seed=k, base="owner/one")
        other = base or "owner/other"
        write_adapter(tmp_path / "runs" / f"b-{k}", seed=k, modules=["elsewhere"], base=other)
    said = ll.survey(tmp_path / "runs", tmp_path / "out", questions="pairs").summary
    told = (
        "6 adapters of 2 bases, which share no place: numbers are over all of them; ask each base by itself. "
        "They are at 6 places, none at more than 4. "
    )
    assert said.startswith("6 adapters at 6 places. " if base else told)


def test_the_terminal_has_one_k_and_the_page_every(dozen: Path, tmp_path: Path) -> None:
    """Six k of nine kinds of directions were three screens, `fitted`, which is no measure, first of all numbers."""
    result = ll.survey(dozen, tmp_path / "out", questions=["subspace"])
    (short,), (whole,) = result.tables, result.whole_tables
    assert [*short.head] == [
        "side", "directions", "k", "places", "left out", "chance", "fitted",
    ]  # fmt: skip
    assert {row[2] for row in short.rows} == {"2"}  # of rank 3
    assert [row for row in whole.rows if row[2] == "2"] == [*short.rows]
    assert {row[2] for row in whole.rows} >= {"1", "2", "4", "8"}
    assert result.summary.partition(" input directions")[0].endswith(" 2")
    assert (tmp_path / "out" / "survey.md").read_text() == result.to_markdown()
    assert result._repr_markdown_().count("\n") < result.to_markdown().count("\n") - 20


def test_what_is_short_has_fewer_rows(tmp_path: Path) -> None:
    """Three rows a module are more than two layers have."""
    modules = [f"m{at}" for at in range(8)]
    for k in range(2):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=modules)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs", "interference"])
    assert [(table.title, len(table.rows)) for table in result.tables[:: len(result.tables) - 1]] == [
        ("φ of all pairs by place", 32), ("Sum of all adapters", 16)
    ]  # fmt: skip
