"""What others do to a survey's files while it is under way: nothing is mixed, lost or overwritten in silence."""

import shutil
from pathlib import Path

import pytest
from checkpoints import BertLike, write_base
from made_runs import places
from safetensors.numpy import load_file, save_file

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.survey import place, planning, write


def test_an_adapter_that_is_read_anew_as_a_whole_is_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What CondLoRA's factors are made of was exchanged, and the new numbers stood under the old ones' name."""
    runs = tmp_path / "runs"
    for name in ("one", "other"):
        shutil.copytree(ll.demo_adapter("condlora"), runs / name)
    file = runs / "other" / "adapter_model.safetensors"
    plain = planning.read_some

    def read(task: planning.ReadTask) -> object:
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

    def run(task: place.PlaceTask) -> str:
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
