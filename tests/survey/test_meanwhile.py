"""What others do to a survey's files while it is under way: nothing is mixed, lost or overwritten in silence."""

import gc
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkpoints import BertLike, write_base
from made_runs import places, write_adapter
from safetensors.numpy import load_file, save_file

import lora_lens as ll
from lora_lens.errors import LensError, OutputError
from lora_lens.survey import place, planning, write
from lora_lens.survey.reading import ReadTask
from lora_lens.survey.task import PlaceTask


def test_an_adapter_that_is_read_anew_as_a_whole_is_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What CondLoRA's factors are made of was exchanged, and the new numbers stood under the old ones' name."""
    runs = tmp_path / "runs"
    for name in ("one", "other"):
        shutil.copytree(ll.demo_adapter("condlora"), runs / name)
    file = runs / "other" / "adapter_model.safetensors"
    plain = planning.read_some

    def read(task: ReadTask) -> object:
        found = plain(task)
        save_file({name: 3 * x for name, x in load_file(file).items()}, file)
        return found

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(planning, "read_some", read)
        with pytest.raises(LensError, match=r"other gives other numbers .*was written to") as found:
            ll.survey(runs, out, questions=["spectrum"])
    assert "\n" not in str(found.value)
    assert places(out) == {}
    assert ll.survey(runs, out, questions=["spectrum"]).missing == 0


def test_a_base_that_is_written_to_meanwhile_is_not_mixed(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    shape = BertLike()
    write_base(base, shape)
    plain, done = place.run_place, []

    def run(task: PlaceTask) -> str:
        if done:  # the first place has the old base still
            other = {name: 2 * w0 if ".query" in name else w0 for name, w0 in shape.base.items()}
            write_base(tmp_path / "new", BertLike(), other)
            (tmp_path / "new" / "model.safetensors").replace(base / "model.safetensors")
        done.append(task)
        return plain(task)

    with monkeypatch.context() as patch:
        patch.setattr(write, "run_place", run)
        said = r"1 of 4 places failed.*query 1: W0 of .*query in .*base was written to"
        with pytest.raises(LensError, match=said):
            ll.survey(dozen, out, base=base, questions=["conversions"])
    assert len(places(out)) == 3
    assert ll.survey(dozen, out, base=base, questions=["conversions"]).missing == 0


@pytest.mark.parametrize(
    ("shard", "which"),
    [(None, "2 places (query.0, …) of 4"), ("1/2", "2 places (query.0, …) of 2")],
)
def test_a_survey_whose_places_another_removes_joins_nothing(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: str | None, which: str
) -> None:
    """Fewer places than were done were joined, as if there were no more."""
    out = tmp_path / "out"
    plain, done = place.run_place, []

    def run(task: PlaceTask) -> str:
        done.append(plain(task))
        if len(done) == 2:
            with monkeypatch.context() as patch:
                patch.setattr(write, "run_place", plain)
                ll.survey(dozen, out, questions=["spectrum"])
        return done[-1]

    monkeypatch.setattr(write, "run_place", run)
    said = rf"{re.escape(which)} that were done are no more in .*places: removed meanwhile"
    with pytest.raises(OutputError, match=said):
        ll.survey(dozen, out, questions=["interference"], shard=shard)
    assert (out / "spectrum.parquet").exists()
    assert not (out / "merges.parquet").exists()


def test_a_place_that_is_gone_in_the_midst_of_a_join_is_said_to_be(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write.join

    def join(plan: planning.Plan, tasks: list[PlaceTask], *rest: object) -> object:
        tasks[1].path.unlink()
        return plain(plan, tasks, *rest)

    monkeypatch.setattr(write, "join", join)
    with pytest.raises(OutputError, match=r"query\.1\..* is no more there: removed meanwhile"):
        ll.survey(dozen, tmp_path / "out", questions=["spectrum"])


def test_tables_that_have_come_meanwhile_are_not_written_over(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "out", write_adapter(tmp_path / "other", seed=50)
    plain = write.copies_in

    def join_another(*arguments: planning.Plan) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(write, "copies_in", plain)
            ll.survey(other, out, questions=["spectrum"])
        return plain(*arguments)

    with (
        monkeypatch.context() as patch
    ):  # another that began as early, and ends when the tables are made
        patch.setattr(write, "check_no_places_of_others", lambda *_: None)
        patch.setattr(write, "copies_in", join_another)
        with pytest.raises(OutputError, match="survey of 1 adapter, of which other would be lost"):
            ll.survey(dozen, out, questions=["spectrum"])
    assert list(pq.read_table(out / "spectrum.parquet")["adapter"].unique()) == [pa.scalar("other")]


def test_a_shards_places_of_other_adapters_are_not_removed(dozen: Path, tmp_path: Path) -> None:
    """They were, without a word: only tables were looked at."""
    out, other = tmp_path / "out", write_adapter(tmp_path / "other", seed=50)
    ll.survey(dozen, out, questions=["spectrum"], shard="1/2")
    before = places(out)
    said = r"holds places of 12 adapters that are not joined yet, and this survey is not of .*seed-0 and 11 more: "
    with pytest.raises(OutputError, match=said):
        ll.survey(other, out, questions=["spectrum"])
    assert places(out) == before
    ll.survey([dozen, other], out, questions=["spectrum"])
    assert len(places(out)) == 4
    shutil.rmtree(other)  # and so it is not missed
    ll.survey(dozen, out, questions=["spectrum"])
    assert {name: data for name, data in places(out).items() if name in before} == before
    assert len(places(out)) == 4


def test_places_of_others_that_come_meanwhile_stay(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "out", write_adapter(tmp_path / "other", seed=50)
    plain = write.copies_in

    def do_another(plan: planning.Plan) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(write, "copies_in", plain)
            ll.survey(other, out, questions=["spectrum"], shard="1/2")
        return plain(plan)

    monkeypatch.setattr(write, "check_no_places_of_others", lambda *_: None)
    monkeypatch.setattr(write, "copies_in", do_another)
    ll.survey(dozen, out, questions=["spectrum"])
    assert len(places(out)) == 4 + 2


def test_places_of_older_versions_are_removed_where_their_numbers_are_this_surveys(
    dozen: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", write_adapter(tmp_path / "other", seed=50)
    (out / "places").mkdir(parents=True)
    for k, adapters in enumerate((dozen, other)):
        ll.survey(adapters, tmp_path / f"{k}", questions=["interference"])
        for path in (tmp_path / f"{k}" / "places").iterdir():
            table = pq.read_table(path)
            told = {
                key: text for key, text in table.schema.metadata.items() if b"sources" not in key
            }
            assert len(told) < len(table.schema.metadata)
            pq.write_table(
                table.replace_schema_metadata(told), out / "places" / f"old-{k}-{path.name}"
            )
    ll.survey(dozen, out, questions=["spectrum"])
    assert sum(name.startswith("old-0") for name in places(out)) == 0
    assert sum(name.startswith("old-1") for name in places(out)) == 4


def test_places_stay_where_an_adapter_could_not_be_read_this_time(
    dozen: Path, tmp_path: Path
) -> None:
    """A disk that was away for a minute costs nothing: the same command finds its places again."""
    folder, out = tmp_path / "some", tmp_path / "out"
    for k in range(2):
        shutil.copytree(dozen / f"seed-{k}", folder / f"seed-{k}")
    ll.survey(folder, out, questions=["spectrum"])
    before = places(out)
    config = folder / "seed-1" / "adapter_config.json"
    text = config.read_text()
    config.write_text("{")
    assert ll.survey(folder, out, questions=["spectrum"]).adapters == 1
    assert before.items() <= places(out).items()
    config.write_text(text)
    assert ll.survey(folder, out, questions=["spectrum"]).adapters == 2
    assert places(out) == before


def test_a_survey_goes_on_beside_one_of_more_adapters_that_was_not_ended(
    dozen: Path, tmp_path: Path
) -> None:
    out, two = tmp_path / "out", [dozen / "seed-0", dozen / "seed-1"]
    ll.survey(two, out, questions=["spectrum"])
    ll.survey([*two, dozen / "seed-2"], out, questions=["spectrum"], shard="1/2")
    before = places(out)
    assert ll.survey(two, out, questions=["spectrum"]).adapters == 2
    assert places(out) == before


@pytest.mark.parametrize("in_place", [True, False])
def test_a_base_that_is_another_in_the_next_survey_of_one_process_is_read_anew(
    dozen: Path, tmp_path: Path, in_place: bool
) -> None:
    """What was said of it was of the first one, or nothing, and that one's file stayed open."""
    shape, base = BertLike(layers=2), tmp_path / "base"
    write_base(base, shape)
    factors = load_file(next(dozen.rglob("adapter_model.safetensors")))
    along = {
        f"{shape.path(layer, module)}.weight": 2.0
        * factors[f"base_model.model.{shape.path(layer, module)}.lora_B.weight"]
        @ factors[f"base_model.model.{shape.path(layer, module)}.lora_A.weight"]
        for layer in range(shape.layers)
        for module in shape.modules
    }
    ask = {"base": base, "questions": ["conversions"]}
    first = ll.survey(dozen, tmp_path / "first", **ask)
    file = base / "model.safetensors"
    new = tmp_path / "new.safetensors"
    save_file(load_file(file) | along, new)
    if in_place:
        file.write_bytes(new.read_bytes())
    else:
        new.replace(file)
    second = ll.survey(dozen, tmp_path / "second", **ask)
    said = [any("lies along W0" in note for note in one.notes) for one in (first, second)]
    assert said == [False, True]
    if (opened := Path("/proc/self/fd")).exists():
        gc.collect()
        # But that of the folder, which is gone by now.
        links = [one for one in opened.iterdir() if one.is_symlink()]
        assert not [one for one in links if str(file) in str(one.readlink())]
