"""A run that tunes a whole model: ΔW of its checkpoints, what was saved less W0, by NumPy's SVD of the difference."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from commands import run_apart
from made_formats import made_by
from safetensors.torch import load_file, save_file
from slow_routes import slow_phi

import lora_lens as ll
from lora_lens.errors import AdapterError, BaseModelError, RankError

STEPS = (5, 10, 20)
DELTA = ("delta_left", "delta_right")


def write_run(folder: Path, name: str, **saving: Any) -> dict[int, dict[str, np.ndarray]]:
    """transformers' base and checkpoints that walk away from it, and by step and module path what was changed, as (out, in)."""
    pytest.importorskip("transformers")
    model = getattr(made_by("peft_lora"), name)()
    model.save_pretrained(folder / "base")
    before = {path: weight.clone() for path, weight in model.state_dict().items()}
    torch.manual_seed(3)
    changed: dict[int, dict[str, np.ndarray]] = {}
    for step in STEPS:
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
        model.save_pretrained(folder / "run" / f"checkpoint-{step}", **saving)
        changed[step] = {
            path.removesuffix(".weight"): (weight.double() - before[path].double()).numpy()
            for path, weight in model.state_dict().items()
            if weight.ndim > 1
        }
    return changed


def of_layer(changed: Mapping[str, np.ndarray], module: str, layer: int) -> np.ndarray:
    (name,) = [one for one in changed if f".{layer}." in one and one.endswith(module)]
    return changed[name]


@pytest.mark.parametrize(
    ("name", "module", "path", "saving"),
    [
        ("bert", "value", "self.value", {}),
        ("llama", "down_proj", "down_proj", {"max_shard_size": "2KB"}),
    ],
)
@pytest.mark.parametrize("rank", [None, 2])
def test_equals_full_svds_checkpoint_by_checkpoint(
    tmp_path: Path, name: str, module: str, path: str, saving: dict[str, Any], rank: int | None
) -> None:
    changed = write_run(tmp_path, name, **saving)
    assert (tmp_path / "run/checkpoint-5/model.safetensors").exists() != bool(saving)
    result = ll.dynamics(tmp_path / "run", module, rank, base=tmp_path / "base")
    k = min(of_layer(changed[5], path, 0).shape) // 2 if rank is None else rank
    assert (result.rank, result.method, result.steps) == (k, "full", STEPS)
    assert tuple(result.to_end) == tuple(result.to_start) == DELTA
    grids = result.grids()
    for t, step in enumerate(STEPS):
        for layer in result.layers:
            here = of_layer(changed[step], path, layer)
            s = np.linalg.svd(here, compute_uv=False)
            share = s / s.sum()
            expected = {
                "norm_delta": np.linalg.norm(here),
                "stable_rank": (s**2).sum() / s[0] ** 2,
                "effective_rank": np.exp(-(share * np.log(share)).sum()),
            }
            for to, at in (("end", STEPS[-1]), ("start", STEPS[0])):
                there = of_layer(changed[at], path, layer)
                for space, side in zip(DELTA, ("left", "right"), strict=True):
                    expected[f"phi_{space}_to_{to}"] = slow_phi(here, there, k, k, side)
            found = {name: grids[name][t, layer] for name in grids}
            assert found == pytest.approx(expected, abs=1e-4, rel=1e-4)
    of_spectrum = ll.spectrum(
        tmp_path / "run/checkpoint-10", module, base=tmp_path / "base", beside_w0=None, draws=0
    ).layers
    assert [one.stable_rank for one in of_spectrum] == pytest.approx(grids["stable_rank"][1])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Of a model of our own, ``base``, two checkpoints."""
    base = write_base(tmp_path / "base", BertLike())
    for step in (1, 2):
        tune(base, tmp_path / "run" / f"checkpoint-{step}", step)
    return tmp_path / "run"


def tune(base: Path, folder: Path, seed: int, but: str = "nothing") -> None:
    """A model that differs from its base in all matrices, `but` those."""
    generator = torch.Generator().manual_seed(seed)
    saved = {
        name: w + (w.ndim > 1 and but not in name) * 0.1 * torch.randn(w.shape, generator=generator)
        for name, w in load_file(base / "model.safetensors").items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(saved, folder / "model.safetensors")
    shutil.copy(base / "config.json", folder / "config.json")


def test_what_it_has_not_is_said_in_one_line_and_shown_nowhere(run: Path, tmp_path: Path) -> None:
    done = run_apart(tmp_path, "dynamics", str(run), "--base", str(tmp_path / "base"), "--out", "o")
    assert done.returncode == 0, done.stderr
    said = "its leading 12 of 24 directions; it has no A and B, which are left out"
    assert (done.stdout + done.stderr).count("no A and B") == 1
    result = ll.dynamics(run, base=tmp_path / "base")
    assert [said in note for note in result.notes] == [True]
    assert "‖A‖" not in result._repr_html_()
    assert "A (right)" not in result.summary
    assert result.summary.endswith(": ΔW (left) and ΔW (right) at no checkpoint but the end point.")
    assert (tmp_path / "o" / "dynamics-value.png").stat().st_size > 0
    assert set(result.to_frame().columns) >= {"phi_delta_left_to_end", "norm_delta"}
    assert not {"norm_A", "phi_A_to_end"} & set(result.to_frame().columns)


def test_the_runs_own_model_is_the_end_point(run: Path, tmp_path: Path) -> None:
    tune(tmp_path / "base", run, 1)
    result = ll.dynamics(run, base=tmp_path / "base")
    assert result.names == ("checkpoint-1", "checkpoint-2", "end")
    assert result.twins == ("checkpoint-1",)
    assert "end holds the ΔW of checkpoint-1" in result.notes
    np.testing.assert_allclose(result.to_end["delta_left"][[0, 2]], 1, atol=1e-9)


def test_a_checkpoint_that_is_the_base_has_no_subspace(run: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    tune(base, run / "checkpoint-0", 0, but="")
    result = ll.dynamics(run, base=base)
    assert not result.norms["delta"][0].any()
    assert np.isnan(result.to_end["delta_left"][0]).all()
    assert np.isnan(result.ranks["stable"][0]).all()
    assert result.starts == dict.fromkeys(DELTA, "checkpoint-1")
    assert any("at checkpoint-0 φ of ΔW does not exist" in note for note in result.notes)
    assert any("(ΔW is zero there)" in note for note in result.notes)
    tune(base, run, 0, but="")
    with pytest.raises(RankError, match=r"end point .*run: ΔW of value is zero in every layer"):
        ll.dynamics(run, base=base)


def test_layers_that_were_frozen_are_left_out(run: Path, tmp_path: Path) -> None:
    whole = ll.dynamics(run, base=tmp_path / "base")
    for step in (1, 2):
        tune(tmp_path / "base", run / f"checkpoint-{step}", step, but="layer.1.")
    result = ll.dynamics(run, base=tmp_path / "base")
    assert result.layers == (0, 2)
    assert "ΔW of value is zero at checkpoint-2 in layer 1, which is left out" in result.notes
    assert result.norms["delta"].shape == result.to_end["delta_left"].shape == (2, 2)
    np.testing.assert_allclose(result.norms["delta"][:, 0], whole.norms["delta"][:, 0])


def test_what_cannot_be_followed_is_said(run: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    with pytest.raises(
        AdapterError, match="checkpoint-1 is passed over: it holds a whole .*--base"
    ):
        ll.dynamics(run)
    write_base(tmp_path / "wide", BertLike(width=32))
    with pytest.raises(AdapterError, match="no matrix of .*: it was not tuned from that"):
        ll.dynamics(run, base=tmp_path / "wide")
    with pytest.raises(BaseModelError, match="nowhere"):
        ll.dynamics(run, base=tmp_path / "nowhere")
    with pytest.raises(RankError, match="at least 1"):
        ll.dynamics(run, "value", 0, base=base)
    with pytest.raises(
        RankError, match="24 singular values that .* layer 0; ask for a --rank of at most 24"
    ):
        ll.dynamics(run, "value", 25, base=base)
    write_lora(run / "checkpoint-3", BertLike())
    with pytest.raises(AdapterError, match=r"adapters \(checkpoint-3\) and whole models \(checkp"):
        ll.dynamics(run, base=base)


def test_of_a_merged_low_rank_model_errors_say_how_many_directions_there_are(
    tmp_path: Path,
) -> None:
    base = write_base(tmp_path / "base", BertLike())
    generator = torch.Generator().manual_seed(0)
    for step in (1, 2):
        saved = load_file(base / "model.safetensors")
        for layer, rank in enumerate((5, 3, 4)):
            w0 = saved[f"{BertLike().path(layer, 'value')}.weight"]
            b, a = (torch.randn(24, rank, generator=generator) for _ in "ba")
            w0 += b @ a.T
        folder = tmp_path / "run" / f"checkpoint-{step}"
        shutil.copytree(base, folder)
        save_file(saved, folder / "model.safetensors")
    run = tmp_path / "run"
    both = (run / "checkpoint-1", run / "checkpoint-2")
    asked = {
        r"has 3 singular values .* in layer 1; ask for a --rank of at most 3$": lambda rank: (
            ll.dynamics(run, "value", rank, base=base)
        ),
        r"has 3 that are .* in layer 1; ask for at most 3$": lambda rank: ll.compare(
            *both, "value", rank=rank, base=base, draws=0
        ),
    }
    for said, ask in asked.items():
        assert ask(3).layers == (0, 1, 2)
        for rank in (4, 6):
            with pytest.raises(RankError, match=said):
                ask(rank)


def test_unfinished_checkpoints_are_passed_over(run: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    for step in (3, 4, 5, 6):
        tune(base, run / f"checkpoint-{step}", step)
    file = run / "checkpoint-3" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    (run / "checkpoint-4" / "model.safetensors").rename(run / "checkpoint-4" / "optimizer.pt")
    (run / "checkpoint-5" / "config.json").unlink()
    (run / "checkpoint-6" / "model.safetensors").rename(
        run / "checkpoint-6" / "model-00001-of-00002.safetensors"
    )
    (run / "checkpoint-6" / "model.safetensors.index.json").write_text(
        '{"weight_map": {"x": "model-00002-of-00002.safetensors"}}'
    )
    shutil.copy(base / "config.json", run)
    (run / "model.safetensors").write_bytes(b"half")
    result = ll.dynamics(run, base=base)
    assert result.steps == (1, 2)
    for words in (
        "checkpoint-3 is passed over: ",
        "checkpoint-4 is passed over: adapter_config.json is missing, and there is no whole model",
        "checkpoint-5 is passed over: config.json is missing",
        "checkpoint-6 is passed over: model-00002-of-00002.safetensors is missing",
        "the last checkpoint is the end point, for of the run itself ",
    ):
        assert sum(note.startswith(words) for note in result.notes) == 1, (words, result.notes)


def test_a_merged_model_beside_checkpoints_of_an_adapter_is_none(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", BertLike())
    for step in (1, 2):
        write_lora(tmp_path / "run" / f"checkpoint-{step}", BertLike(), seed=step)
    tune(base, tmp_path / "run", 3)
    for named in (None, base):
        assert ll.dynamics(tmp_path / "run", base=named).end == "checkpoint-2"


def test_one_layers_delta_is_at_hand_at_a_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stacked(*_: Any) -> None:
        raise AssertionError("all layers at once")

    monkeypatch.setattr("lora_lens.formats.factors.stacking.stack", stacked)
    assert ll.dynamics(run, base=tmp_path / "base").layers == (0, 1, 2)


def test_checkpoints_of_several_dtypes_are_told(run: Path, tmp_path: Path) -> None:
    """The same weights, cast to bfloat16, have the ΔW of a rounded W0: another norm, and other directions."""
    file = run / "checkpoint-1/model.safetensors"
    save_file({name: one.bfloat16() for name, one in load_file(file).items()}, file)
    notes = ll.dynamics(run, base=tmp_path / "base").notes
    assert sum("checkpoint-1 is saved in bfloat16, whose steps" in note for note in notes) == 1
    said = "checkpoints are saved in several dtypes (checkpoint-1 in bfloat16; checkpoint-2 in float32)"
    assert any(note.startswith(said) for note in notes)


def test_a_checkpoint_that_is_the_base_is_passed_over(run: Path) -> None:
    shutil.move(run.parent / "base", run / "checkpoint-0")
    result = ll.dynamics(run, base=run / "checkpoint-0")
    assert result.steps == (1, 2)
    assert "checkpoint-0 is passed over: it is the base, and its ΔW zero" in result.notes
