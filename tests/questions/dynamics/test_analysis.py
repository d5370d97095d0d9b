import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from safetensors.torch import load_file, save_file
from slow_routes import slow_phi

from lora_lens import (
    RankError,
    compare,
    dynamics,
    gaussian_baseline,
    inspect,
    load_adapter,
)
from lora_lens.errors import AdapterError, ModuleLookupError
from lora_lens.questions.dynamics.result import over_layers
from lora_lens.questions.dynamics.tables import whereto

STEPS = (2, 10, 30)
SHAPE = BertLike()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in STEPS:
        write_lora(
            tmp_path / "run" / f"checkpoint-{step}", SHAPE, seed=step, config={"lora_alpha": 3}
        )
    return tmp_path / "run"


def zero_b(folder: Path) -> None:
    shape = BertLike()
    write_lora(folder, shape, seed=0)
    zeros = {n: torch.zeros_like(t) if "lora_B" in n else t for n, t in shape.adapter.items()}
    write_tensors(folder, zeros)


def factors(folder: Path, layer: int) -> tuple[np.ndarray, np.ndarray, float]:
    found = load_adapter(folder).modules["value"]
    return (
        found.a[layer].double().numpy(),
        found.b[layer].double().numpy(),
        float(found.scaling[layer]),
    )


@pytest.mark.parametrize("rank", [4, 2])
def test_equals_full_svds_checkpoint_by_checkpoint(run: Path, rank: int) -> None:
    result = dynamics(run, "value", rank)
    assert result.steps == STEPS
    assert (result.start, result.end) == ("checkpoint-2", "checkpoint-30")
    for grids, to in ((result.to_end, STEPS[-1]), (result.to_start, STEPS[0])):
        for t, step in enumerate(STEPS):
            for layer in range(3):
                a, b, _ = factors(run / f"checkpoint-{step}", layer)
                c, d, _ = factors(run / f"checkpoint-{to}", layer)
                expected = {
                    "A": slow_phi(a, c, rank, rank, "right"),
                    "B": slow_phi(b, d, rank, rank),
                    "delta_left": slow_phi(b @ a, d @ c, rank, rank),
                    "delta_right": slow_phi(b @ a, d @ c, rank, rank, "right"),
                }
                found = {space: grid[t, layer] for space, grid in grids.items()}
                assert found == pytest.approx(expected, abs=1e-10)


def test_equals_compare(run: Path) -> None:
    result = dynamics(run, "value")
    pair = compare(load_adapter(run / "checkpoint-2"), load_adapter(run / "checkpoint-30"), "value")
    for space, matrix in (("A", "A"), ("B", "B"), ("delta_left", "delta")):
        np.testing.assert_allclose(result.to_end[space][0], pair[matrix].values, atol=1e-12)


def as_torchtunes(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    torch.save(
        {_lower(name): tensor for name, tensor in load_file(weights).items()},
        folder / "adapter_model.pt",
    )
    weights.unlink()


def as_mlxs(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    turned = {
        _lower(name).removesuffix(".weight"): tensor.T.contiguous()
        for name, tensor in load_file(weights).items()
    }
    save_file(turned, folder / "adapters.safetensors")
    weights.unlink()
    said = {"fine_tune_type": "lora", "lora_parameters": {"scale": 0.75}}  # α/r of the others
    (folder / "adapter_config.json").write_text(json.dumps(said))


def _lower(name: str) -> str:
    own = name.removeprefix("base_model.model.")
    return own.replace("lora_A", "lora_a").replace("lora_B", "lora_b")


@pytest.mark.parametrize("rewritten", [as_torchtunes, as_mlxs])
def test_checkpoints_of_other_formats_are_read_as_peft_s(
    run: Path, rewritten: Callable[[Path], None]
) -> None:
    expected = dynamics(run, "value")
    for step in STEPS:
        rewritten(run / f"checkpoint-{step}")
    found = dynamics(run, "value")
    assert found.steps == STEPS
    for space, grid in expected.to_end.items():
        np.testing.assert_array_equal(found.to_end[space], grid)
    for matrix, norms in expected.norms.items():
        np.testing.assert_allclose(found.norms[matrix], norms, rtol=1e-12)


def test_the_last_is_1_to_itself_and_the_first_too(run: Path) -> None:
    result = dynamics(run, "value")
    for space in result.to_end:
        np.testing.assert_allclose(result.to_end[space][-1], 1, atol=1e-12)
        np.testing.assert_allclose(result.to_start[space][0], 1, atol=1e-12)


def test_norms_and_ranks_equal_dense_ones_and_those_of_inspect(run: Path) -> None:
    result = dynamics(run, "value")
    for t, step in enumerate(STEPS):
        summaries = [
            m
            for m in inspect(load_adapter(run / f"checkpoint-{step}")).modules
            if m.module == "value"
        ]
        for layer in range(3):
            a, b, s = factors(run / f"checkpoint-{step}", layer)
            assert s == 3 / 4
            sigma = np.linalg.svd(s * b @ a, compute_uv=False)[:4]
            share = sigma / sigma.sum()
            expected = {
                "norm_delta": np.linalg.norm(s * b @ a), "norm_A": np.linalg.norm(a),
                "norm_B": np.linalg.norm(b), "stable_rank": (sigma**2).sum() / sigma[0] ** 2,
                "effective_rank": math.exp(-(share * np.log(share)).sum()),
            }  # fmt: skip
            grids = result.grids()
            found = {name: grids[name][t, layer] for name in expected}
            assert found == pytest.approx(expected, rel=1e-10)
            assert grids["norm_delta"][t, layer] == pytest.approx(summaries[layer].frobenius_norm)
            assert grids["stable_rank"][t, layer] == pytest.approx(summaries[layer].stable_rank)


def test_the_runs_own_adapter_is_the_end_point_though_it_is_an_earlier_step(run: Path) -> None:
    write_lora(run, SHAPE, seed=10, config={"lora_alpha": 3})
    result = dynamics(run, "value")
    assert result.end == result.names[-1] == "end"
    assert result.steps == (*STEPS, None)
    for grid in result.to_end.values():
        np.testing.assert_allclose(grid[[1, 3]], 1, atol=1e-12)
        assert (grid[[0, 2]] < 0.9).all()
    assert "end holds the factors of checkpoint-10" in result.notes


def test_the_end_point_itself_is_no_step_from_which_it_is_near(run: Path) -> None:
    """Of unrelated checkpoints none is near, whichever is the end point, by its name or by its factors."""
    said = ": A (right), B (left), ΔW (left) and ΔW (right) at no checkpoint but the end point."
    assert dynamics(run, "value", 2).summary.endswith(said)
    write_lora(run, SHAPE, seed=10, config={"lora_alpha": 3})
    result = dynamics(run, "value", 2)
    assert result.twins == ("checkpoint-10",)
    assert result.summary.endswith(said.replace("end point.", "end point and its copies."))
    twice(run / "checkpoint-40", seed=10)
    assert "A (right) from step 40 on" in dynamics(run, "value", 2).summary


def twice(folder: Path, *, seed: int) -> None:
    """An adapter of the same subspaces as `write_lora`'s, and not its twin."""
    write_lora(folder, SHAPE, seed=seed)
    file = folder / "adapter_model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(file).items()}, file)


def test_near_is_what_stays_near(run: Path) -> None:
    """Step 2 is near the end, and so is step 20; between them they are not."""
    twice(run / "checkpoint-2", seed=30)
    twice(run / "checkpoint-20", seed=30)
    result = dynamics(run, "value", 2)
    assert result.steps == (2, 10, 20, 30)
    assert over_layers(result.to_end["A"])[[0, 2]] == pytest.approx(1)
    assert over_layers(result.to_end["A"])[1] < 0.7
    said = ": A (right) from step 20 on; B (left) from step 20 on; ΔW (left) from step 20 on; "
    assert said in result.summary


def test_what_was_near_at_the_first_checkpoint_came_to_it_unseen(run: Path) -> None:
    """Of two checkpoints, both late, the sentence was "comes over half of the way … from step 16835 on", the first of them."""
    result = dynamics(run, "value", 2)
    grids = {space: np.full_like(grid, 0.9) for space, grid in result.to_end.items()}
    said = replace(result, to_end=grids).summary
    assert said.endswith(
        "is over half of the way from chance to 1 and stays there: A (right), B (left), ΔW (left) and ΔW (right) at every "
        "checkpoint kept, the first of step 2."
    )
    grids["B"][0] = 0.1
    some = replace(result, to_end=grids).summary
    assert (
        ": A (right), ΔW (left) and ΔW (right) at every checkpoint kept, the first of step 2; B (left) from step 10 on."
        in some
    )


def test_a_copy_of_the_end_point_hides_no_beginning(run: Path) -> None:
    """Of three alike, the run's own adapter a copy of the first, it was "from step 10 on"."""
    write_lora(run, SHAPE, seed=2, config={"lora_alpha": 3})
    for step in (10, 30):
        write_lora(run / f"checkpoint-{step}", SHAPE, seed=step, config={"lora_alpha": 3})
    result = dynamics(run, "value", 2)
    grids = {space: np.full_like(grid, 0.9) for space, grid in result.to_end.items()}
    twins = replace(result, to_end=grids, twins=("checkpoint-2",))
    assert twins.summary.endswith("ΔW (right) at every checkpoint kept, the first of step 2.")
    copies = replace(twins, twins=("checkpoint-2", "checkpoint-10", "checkpoint-30"))
    assert copies.summary == (
        "value: every checkpoint kept holds the end point's factors, so that nothing is seen of how they came to be."
    )


def test_only_a_start_is_called_one(run: Path) -> None:
    result = dynamics(run, "value", 2)
    kept = "the first checkpoint kept (checkpoint-2)"
    assert whereto(result, "start") == kept
    untrained = result.norms | {"delta": result.norms["delta"] * [[0], [1], [1]]}
    for begun in (replace(result, norms=untrained), replace(result, steps=(0, 10, 30))):
        assert whereto(begun, "start") == "the start (checkpoint-2)"
    later = replace(result, starts=dict.fromkeys(result.starts, "checkpoint-10"))
    assert whereto(later, "start") == "where it first exists (checkpoint-10)"


def test_near_is_of_every_layer_and_beside_chance(run: Path) -> None:
    """Of one layer there is no mean over all; unrelated subspaces of most directions have φ above one half."""
    twice(run / "checkpoint-10", seed=30)
    result = dynamics(run, "value", 2)
    assert "B (left) from step 10 on" in result.summary
    grids = {space: grid.copy() for space, grid in result.to_end.items()}
    grids["B"][1, 0] = np.nan
    assert "B (left) at no checkpoint but the end point" in replace(result, to_end=grids).summary
    most = {space: replace(one, mean=0.7) for space, one in result.baselines.items()}
    grids["B"][1] = 0.8
    assert (
        "B (left) at no checkpoint but the end point"
        in replace(result, to_end=grids, baselines=most).summary
    )
    whole = result.baselines | {"A": replace(most["A"], mean=1.0)}
    assert "(A (right) has all directions)" in replace(result, baselines=whole).summary
    every = dict.fromkeys(most, whole["A"])
    assert replace(result, baselines=every).summary.endswith("so that φ is 1 throughout.")


def test_what_is_at_its_end_throughout_did_not_move(run: Path) -> None:
    """As A of a run that holds it fixed; the rest of the sentence is about what moved."""
    result = dynamics(run, "value", 2)
    grids = {space: grid.copy() for space, grid in result.to_end.items()}
    grids["A"][:] = 1.0
    said = replace(result, to_end=grids).summary
    assert said.startswith(
        "value: the subspace of A (right) did not move; φ to the end point, mean over the layers, "
    )
    assert said.endswith(": B (left), ΔW (left) and ΔW (right) at no checkpoint but the end point.")
    still = replace(result, to_end={"A": grids["A"]})
    assert still.summary == "value: the subspace of A (right) did not move."
    whole = still.baselines | {"B": replace(still.baselines["B"], mean=1.0)}
    both = replace(still, to_end={"A": grids["A"], "B": grids["B"]}, baselines=whole)
    assert both.summary == (
        "value: the subspace of A (right) did not move; B (left) has all directions, so that φ is 1 throughout."
    )
    alone = replace(still, names=("end",), steps=(None,), end="end", to_end={"A": grids["A"][:1]})
    assert "did not move" not in alone.summary  # there is nothing that it could have moved from


def test_b_that_is_zero_at_the_start_is_absent_and_not_0(run: Path) -> None:
    zero_b(run / "checkpoint-0")
    result = dynamics(run, "value")
    assert result.start == "checkpoint-0"
    assert result.starts == dict.fromkeys(result.starts, "checkpoint-2") | {"A": "checkpoint-0"}
    (run / "checkpoint-0").rename(run / "elsewhere")
    later = dynamics(run, "value")
    (run / "elsewhere").rename(run / "checkpoint-0")
    for space in ("B", "delta_left", "delta_right"):
        assert np.isnan(result.to_start[space][0]).all()
        np.testing.assert_array_equal(result.to_start[space][1:], later.to_start[space])
        np.testing.assert_allclose(result.to_start[space][1], 1, atol=1e-12)
        assert np.isnan(result.to_end[space][0]).all()
        assert np.isfinite(result.to_end[space][1:]).all()
    assert np.isfinite(result.to_start["A"]).all()
    assert (result.norms["delta"][0] == 0).all()
    assert np.isnan(result.ranks["stable"][0]).all()
    absent, start = result.notes
    for words in ("checkpoint-0", "B and ΔW", "B is zero there"):
        assert words in absent
    assert (
        start
        == "in place of checkpoint-0 φ of B and ΔW is to checkpoint-2, the first where all layers have 4 singular vectors"
    )
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [found["to_start"][space]["start"] for space in "AB"] == ["checkpoint-0", "checkpoint-2"]
    assert found["to_start"]["B"]["phi"][0] == [None] * 3
    assert found["to_start"]["B"]["mean"][:2] == [None, pytest.approx(1)]
    assert found["to_end"]["B"]["phi"][0] == [None] * 3
    assert found["norms"]["B"]["values"][0] == [0.0] * 3
    assert "–" in result._repr_html_()
    assert result.to_frame()["phi_B_to_start"].isna().sum() == 3


def test_a_mean_is_over_all_layers_or_absent() -> None:
    means = over_layers(np.array([[0.2, 0.4], [np.nan, 1.0]]))
    np.testing.assert_array_equal(means, [0.30000000000000004, np.nan])


def test_a_factor_of_lower_rank_is_absent_and_the_end_points_an_error(run: Path) -> None:
    shape = BertLike()
    write_lora(run / "checkpoint-5", shape, seed=5)
    name = f"base_model.model.bert.{shape.path(1, 'value')}.lora_A.weight"
    low = shape.adapter[name].clone()
    low[3] = low[2]
    write_tensors(run / "checkpoint-5", shape.adapter | {name: low})
    result = dynamics(run, "value")
    assert result.steps == (2, 5, 10, 30)
    missing = np.zeros((4, 3), dtype=bool)
    missing[1, 1] = True
    for space in ("A", "delta_left", "delta_right"):
        np.testing.assert_array_equal(np.isnan(result.to_end[space]), missing)
    assert np.isfinite(result.to_end["B"]).all()
    assert "zero" not in result.notes[0]
    np.testing.assert_allclose(dynamics(run, "value", 3).to_end["A"][-1], 1, atol=1e-12)
    write_tensors(run / "checkpoint-30", shape.adapter | {name: low})
    with pytest.raises(RankError, match=r"end point .*checkpoint-30.*layer 1 has rank 3"):
        dynamics(run, "value")


def test_gauge_of_a_checkpoint_does_not_matter_at_the_own_rank(run: Path) -> None:
    shape = BertLike()
    write_lora(run / "checkpoint-10", shape, seed=10, config={"lora_alpha": 3})
    before = dynamics(run, "value")
    r = random(4, 4, seed=9) + 4 * torch.eye(4)
    write_tensors(
        run / "checkpoint-10",
        {
            n: (r @ t if "lora_A" in n else t @ torch.linalg.inv(r)).contiguous()
            for n, t in shape.adapter.items()
        },
    )
    after = dynamics(run, "value")
    for space, grid in before.to_end.items():
        np.testing.assert_allclose(after.to_end[space], grid, atol=1e-5)  # float32 files
    np.testing.assert_allclose(after.norms["delta"], before.norms["delta"], rtol=1e-5)


def test_condlora_checkpoints_need_their_base(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    paths = [f"bert.{shape.path(layer, 'value')}" for layer in range(3)]
    for step in (1, 2):
        folder = tmp_path / "run" / "checkpoints" / f"checkpoint-{step}"
        theta = {f"value.theta_{f}": random(24, 4, seed=10 * step + k) for k, f in enumerate("AB")}
        write_tensors(folder, theta)
        write_config(
            folder, base=None, r=4, peft_type="CONDLORA", convention="consistent",
            condlora_modules={"value": paths},
        )  # fmt: skip
    result = dynamics(tmp_path / "run", "value", base=tmp_path / "base")
    assert result.method == "condlora"
    assert any("unrelated subspaces may be too low a bar" in note for note in result.notes)
    pair = compare(
        *(load_adapter(tmp_path / f"run/checkpoints/checkpoint-{s}", tmp_path / "base") for s in (1, 2)),
        "value",
    )  # fmt: skip
    np.testing.assert_allclose(result.to_end["delta_left"][0], pair["delta"].values, atol=1e-10)
    with pytest.raises(AdapterError, match="--base"):
        dynamics(tmp_path / "run", "value")


def test_baselines_rows_and_progress(run: Path) -> None:
    calls: list[tuple[int, int]] = []
    result = dynamics(run, "value", progress=lambda *at: calls.append(at))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    baseline = result.baselines["B"]
    assert (baseline.mean, baseline.sd) == gaussian_baseline(24, 4)
    assert baseline.mean_sd == pytest.approx(baseline.sd / math.sqrt(3))
    frame = result.to_frame()
    assert len(frame) == 9
    row = frame[(frame.step == 10) & (frame.layer == 2)].iloc[0]
    assert row.phi_A_to_end == result.to_end["A"][1, 2]
    assert row.norm_A == result.norms["A"][1, 2]


def test_errors(run: Path) -> None:
    with pytest.raises(ModuleLookupError, match="it has: query, value"):
        dynamics(run, "dense")
    with pytest.raises(RankError, match="rank 4"):
        dynamics(run, "value", 5)
    with pytest.raises(RankError, match="at least 1"):
        dynamics(run, "value", 0)
    write_lora(run / "checkpoint-3", BertLike(layers=2))
    with pytest.raises(AdapterError, match="not checkpoints of one run"):
        dynamics(run, "value")


def test_a_single_checkpoint_says_that_nothing_changes(tmp_path: Path) -> None:
    write_lora(tmp_path / "checkpoint-1", SHAPE)
    assert "only checkpoint" in dynamics(tmp_path, "value").notes[0]
