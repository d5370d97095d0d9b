"""Against `spectrum` and `phi` of the adapter as it is saved, and in TensorBoard's own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from spectral_runs import logged, lora, trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_models import bert, gpt2
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, WandbCallback

import lora_lens as ll
from lora_lens import SpectralCallback
from lora_lens.errors import AdapterError, SettingsError
from lora_lens.training.condlora import CondLoraConfig, get_condlora_model
from lora_lens.training.spectral.measuring import STATE_NAME
from lora_lens.training.spectral.stacks import stacks_of

STATISTICS = ("frobenius_norm", "spectral_norm", "stable_rank", "effective_rank")


def condlora() -> PeftModel:
    config = CondLoraConfig(
        task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["query", "value"]
    )
    torch.manual_seed(0)
    return get_condlora_model(bert(), config)


def decoder() -> PeftModel:
    config = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, fan_in_fan_out=True, use_rslora=True,
        target_modules=["attn.c_proj", "mlp.c_fc"],
    )  # fmt: skip
    torch.manual_seed(0)
    return get_peft_model(gpt2(), config)


class Keep(TrainerCallback):
    """Saves the adapter after the steps named."""

    def __init__(self, folder: Path, *steps: int) -> None:
        self.folder, self.steps = folder, steps

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.on_step_end(args, state, control, **kwargs)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **kwargs: Any) -> None:
        if state.global_step in self.steps:
            kwargs["model"].save_pretrained(str(self.folder / str(state.global_step)))


@pytest.mark.parametrize(
    "make",
    [
        lora,
        lambda: lora(rank_pattern={"layer.1.attention.self.value": 2}, alpha_pattern={"query": 3}),
        decoder,
        condlora,
    ],
    ids=["lora", "mixed ranks", "rslora on Conv1D", "condlora"],
)
def test_numbers_are_those_of_the_saved_adapter(make: Any, tmp_path: Path) -> None:
    model = make()
    base = make().get_base_model()
    (base.unload() if hasattr(base, "unload") else make().unload()).save_pretrained(
        tmp_path / "base"
    )
    run = trainer(model, tmp_path, Keep(tmp_path / "kept", 0, 5, 10), SpectralCallback(5))
    run.train()
    found = logged(run)
    assert list(found) == [5, 10, 12]
    kept = {
        step: ll.load_adapter(tmp_path / "kept" / str(step), base=tmp_path / "base")
        for step in (0, 5, 10)
    }
    spectrum = ll.spectrum(kept[10], beside_w0=False)
    assert len(spectrum.modules) == 2
    for module in (*spectrum.modules, "all"):
        layers = spectrum.layers if module == "all" else spectrum.of(module)
        for name in STATISTICS:
            attribute = "effective_rank_s" if name == "effective_rank" else name
            expected = np.mean([getattr(layer, attribute) for layer in layers])
            assert found[10][f"spectral/{module}/{name}"] == pytest.approx(expected, rel=2e-5)
    for module in spectrum.modules:
        for name, earlier in (("phi_A_to_start", 0), ("phi_A_to_last", 5), ("phi_B_to_first", 5)):
            expected = phi_between(kept[10], kept[earlier], module, name[4])
            assert found[10][f"spectral/{module}/{name}"] == pytest.approx(expected, abs=2e-5)
        assert found[10][f"spectral/{module}/phi_B_first_step"] == 5
        assert f"spectral/{module}/phi_B_to_start" not in found[10]
        assert f"spectral/{module}/phi_B_to_first" not in found[5]


def phi_between(one: ll.Adapter, other: ll.Adapter, module: str, factor: str) -> float:
    """Layer by layer, by the public function."""
    first, second = one.modules[module], other.modules[module]
    values = []
    for k, rank in enumerate(first.ranks):
        if factor == "A":
            values.append(ll.phi(first.a[k, :rank], second.a[k, :rank], rank, side="right"))
        else:
            values.append(ll.phi(first.b[k, :, :rank], second.b[k, :, :rank], rank))
    return float(np.mean(values))


def test_where_b_is_not_zero_at_the_start_phi_is_to_the_start(tmp_path: Path) -> None:
    model = lora(init_lora_weights=False)
    run = trainer(model, tmp_path, Keep(tmp_path / "kept", 0, 10), SpectralCallback(10))
    run.train()
    found, kept = logged(run)[10], [ll.load_adapter(tmp_path / "kept" / k) for k in ("0", "10")]
    for factor in "AB":
        expected = phi_between(kept[1], kept[0], "value", factor)
        assert found[f"spectral/value/phi_{factor}_to_start"] == pytest.approx(expected, abs=2e-5)
        assert f"spectral/value/phi_{factor}_first_step" not in found


def adalora() -> PeftModel:
    """Whose budget falls from step 2 to step 8, from rank 4 to 2 on average."""
    config = AdaLoraConfig(
        task_type="SEQ_CLS", init_r=4, target_r=2, tinit=2, tfinal=4, deltaT=1, total_step=12,
        lora_alpha=8, target_modules=["query", "value"],
    )  # fmt: skip
    torch.manual_seed(0)
    return get_peft_model(bert(), config)


class Allocate(TrainerCallback):
    """As PEFT says: after the optimizer's step and before the gradients go. Keeps PEFT's own ΔW."""

    def __init__(self) -> None:
        self.deltas: dict[int, dict[str, np.ndarray]] = {}
        self.ranks: list[int] = []

    def on_optimizer_step(self, _args: Any, state: Any, _control: Any, **kwargs: Any) -> None:
        model = kwargs["model"]
        model.base_model.update_and_allocate(state.global_step)
        layers = {
            path.split("layer.")[1]: layer
            for path, layer in model.named_modules()
            if hasattr(layer, "lora_E") and hasattr(layer, "get_delta_weight")
        }
        # The step is counted after this.
        self.deltas[state.global_step + 1] = {
            path: layer.get_delta_weight("default").detach().double().numpy()
            for path, layer in layers.items()
        }
        self.ranks = [int((one.lora_E["default"] != 0).sum()) for one in layers.values()]


def test_adalora_is_measured_without_what_its_masks_take_away(tmp_path: Path) -> None:
    """Beside the SVD of PEFT's own ΔW, whose row and column spaces the factors have."""
    allocating = Allocate()
    run = trainer(adalora(), tmp_path, SpectralCallback(5), allocating)
    run.train()
    found = logged(run)
    assert list(found) == [5, 10, 12]
    assert sum(allocating.ranks) == 12  # of 6 matrices
    assert {0, 1, 3} <= set(allocating.ranks)
    for step, numbers in found.items():
        for module in ("query", "value", "all"):
            spectra = [
                np.linalg.svd(delta)[1]
                for path, delta in allocating.deltas[step].items()
                if module in (path.rpartition(".")[2], "all")
            ]
            trained = [s for s in spectra if s[0] > 0]
            expected = {
                "frobenius_norm": [np.linalg.norm(s) for s in spectra],
                "spectral_norm": [s[0] for s in spectra],
                "stable_rank": [(s**2).sum() / s[0] ** 2 for s in trained],
            }
            for name, values in expected.items():
                own = numbers[f"spectral/{module}/{name}"]
                assert own == pytest.approx(np.mean(values), rel=2e-5)
    before, now = allocating.deltas[5], allocating.deltas[10]
    for side, factor in (("right", "A"), ("left", "B")):
        for module in ("query", "value"):
            expected = [
                alike(before[path], now[path], side)
                for path in now
                if path.endswith(module) and now[path].any()
            ]
            own = found[10][f"spectral/{module}/phi_{factor}_to_last"]
            assert own == pytest.approx(np.mean(expected), abs=2e-5)
            # All of E is 0 at the start.
            assert found[10][f"spectral/{module}/phi_{factor}_first_step"] == 5
            assert f"spectral/{module}/phi_{factor}_to_start" not in found[10]


def alike(one: np.ndarray, other: np.ndarray, side: str) -> float:
    """φ of two matrices' row or column spaces, whole."""
    bases = []
    for delta in (one, other):
        u, s, vh = np.linalg.svd(delta)
        rank = int((s > 1e-6 * s[0]).sum())
        bases.append(vh[:rank].T if side == "right" else u[:, :rank])
    least = min(basis.shape[1] for basis in bases)
    return float(((bases[0].T @ bases[1]) ** 2).sum() / least)


def test_what_adalora_pruned_to_nothing_is_left_out() -> None:
    model = adalora()
    empty = model.get_submodule("base_model.model.bert.encoder.layer.0.attention.self.query")
    for letter, shape in (("A", (0, 16)), ("E", (0, 1)), ("B", (16, 0))):
        getattr(empty, f"lora_{letter}")["default"] = torch.nn.Parameter(torch.zeros(shape))
    members = [one.path for stack in stacks_of(model) for one in stack.members]
    assert len(members) == 5
    assert not any(path.endswith("layer.0.attention.self.query") for path in members)


def test_tensorboard_has_the_numbers_and_the_picture(tmp_path: Path, monkeypatch: Any) -> None:
    folder = str(tmp_path / "board")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", folder)
    of_4 = {"logging_dir": folder} if int(transformers.__version__.partition(".")[0]) < 5 else {}
    run = trainer(
        lora(), tmp_path, SpectralCallback(4, pictures=2), report_to=["tensorboard"], **of_4
    )
    run.train()
    board = EventAccumulator(str(tmp_path / "board"), {"images": 0, "scalars": 0}).Reload()
    found = logged(run)
    for step in (4, 8, 12):
        for name, value in found[step].items():
            points = {point.step: point.value for point in board.Scalars(f"train/{name}")}
            assert points[step] == pytest.approx(value, rel=1e-6)
    assert [point.step for point in board.Scalars("train/loss")] == [3, 6, 9, 12]
    assert [picture.step for picture in board.Images("train/spectral/layers")] == [8, 12]
    assert len(list((tmp_path / "board").iterdir())) == 1  # no second writer


def test_what_reports_is_told_and_the_console_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[dict[str, Any]] = []

    class Reporter(TrainerCallback):
        def on_log(self, *_: Any, logs: Any, **__: Any) -> None:
            told.append(dict(logs))
            logs.clear()

    run = trainer(lora(), tmp_path, Reporter(), SpectralCallback(4), Reporter())
    run.train()
    assert sum("spectral/value/stable_rank" in logs for logs in told) == 2 * 3
    assert "spectral" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["WandbCallback", "TrackioCallback"])
def test_pictures_go_to_those_that_take_images(kind: str, tmp_path: Path) -> None:
    taken: list[dict[str, Any]] = []

    class Library:
        Image = staticmethod(lambda pixels: ("image", pixels.shape, pixels.dtype))
        log = staticmethod(taken.append)

    made = type(kind, (TrainerCallback,), {"_wandb": Library, "_trackio": Library})
    run = trainer(lora(), tmp_path, made(), SpectralCallback(4))
    run.train()
    assert len(taken) == 1  # at the end
    assert taken[0]["train/global_step"] == 12
    word, shape, dtype = taken[0]["train/spectral/layers"]
    assert (word, len(shape), shape[2], dtype) == ("image", 3, 3, np.uint8)
    assert {"_wandb"} <= set(WandbCallback.setup.__code__.co_names)  # transformers' own name for it


@pytest.mark.parametrize(
    ("steps", "logging", "expected"), [(10, 2, [2, 4, 6, 8, 10]), (12, 5, [5, 10, 12])]
)
def test_it_logs_whenever_the_trainer_does_and_after_the_last_step(
    steps: int, logging: int, expected: list[int], tmp_path: Path
) -> None:
    """It logged every 50 steps by default, and so once in a run of 10 with ``logging_steps=2``."""
    run = trainer(lora(), tmp_path, SpectralCallback(), max_steps=steps, logging_steps=logging)
    run.train()
    assert list(logged(run)) == expected


def test_training_is_the_same_with_and_without_it(tmp_path: Path) -> None:
    with_it, without = lora(lora_dropout=0.1), lora(lora_dropout=0.1)
    trainer(with_it, tmp_path, SpectralCallback(1)).train()
    trainer(without, tmp_path).train()
    for one, other in zip(with_it.parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_resumed_run_logs_what_it_would_have_logged(tmp_path: Path) -> None:
    whole = trainer(
        lora(), tmp_path / "whole", SpectralCallback(4), save_strategy="steps", save_steps=6
    )
    whole.train()
    half = trainer(
        lora(), tmp_path / "half", SpectralCallback(4), save_strategy="steps", save_steps=6
    )
    half.add_callback(StopAfter(6))
    half.train()
    resumed = trainer(
        lora(), tmp_path / "half", SpectralCallback(4), save_strategy="steps", save_steps=6
    )
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == 12
    expected, found = logged(whole), logged(resumed)
    for step in (8, 12):
        assert found[step] == pytest.approx(expected[step], rel=1e-5, abs=1e-6)
    assert "spectral/value/phi_A_to_start" in found[12]


@pytest.mark.parametrize("harm", ["gone", "torn", "another's"])
def test_without_its_file_a_resumed_run_says_so_and_calls_the_reference_first(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 6}
    first = trainer(lora(), tmp_path, SpectralCallback(4), StopAfter(6), **settings)
    first.train()
    file = tmp_path / "checkpoint-6" / STATE_NAME
    if harm == "gone":
        file.unlink()
    elif harm == "torn":
        file.write_bytes(file.read_bytes()[:100])
    else:
        trainer(lora(r=2), tmp_path / "o", SpectralCallback(4), StopAfter(6), **settings).train()
        file.write_bytes((tmp_path / "o" / "checkpoint-6" / STATE_NAME).read_bytes())
    resumed = trainer(lora(), tmp_path, SpectralCallback(4), **settings)
    resumed.train(resume_from_checkpoint=True)
    found = logged(resumed)[12]
    assert found["spectral/value/phi_A_first_step"] == 6
    assert "spectral/value/phi_A_to_first" in found
    assert "spectral/value/phi_A_to_start" not in found
    assert "where the run goes on" in caplog.text


class StopAfter(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop |= state.global_step >= self.step


def test_a_run_that_was_stopped_has_its_last_step(tmp_path: Path) -> None:
    run = trainer(lora(), tmp_path, SpectralCallback(4), StopAfter(6))
    run.train()
    assert list(logged(run)) == [4, 6]


def test_the_file_beside_a_checkpoint_is_at_most_twice_the_adapter(tmp_path: Path) -> None:
    trainer(lora(), tmp_path, SpectralCallback(4), save_strategy="steps", save_steps=12).train()
    kept = load_file(tmp_path / "checkpoint-12" / STATE_NAME)
    own = load_file(tmp_path / "checkpoint-12" / "adapter_model.safetensors")
    factors = sum(tensor.numel() for name, tensor in own.items() if "lora_" in name)
    assert sum(tensor.numel() for tensor in kept.values()) == 2 * factors
    assert ll.load_adapter(tmp_path / "checkpoint-12").method == "lora"


def test_of_several_adapters_the_one_named_or_active(tmp_path: Path) -> None:
    model = lora()
    torch.manual_seed(3)
    model.add_adapter("other", LoraConfig(r=2, target_modules=["key"], init_lora_weights=False))
    run = trainer(model, tmp_path, SpectralCallback(12))
    run.train()
    assert "spectral/value/stable_rank" in logged(run)[12]
    run = trainer(model, tmp_path, SpectralCallback(12, adapter="other"))
    run.train()
    modules = {name.split("/")[1] for name in logged(run)[12]}
    assert modules == {"key", "all"}


def test_other_processes_than_the_first_measure_nothing(tmp_path: Path) -> None:
    class Second(TrainerCallback):
        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            state.is_world_process_zero = False

    run = trainer(
        lora(), tmp_path, Second(), SpectralCallback(4), save_strategy="steps", save_steps=6
    )
    run.train()
    assert not logged(run)
    assert not list(tmp_path.rglob(STATE_NAME))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (bert, "no adapter and no LoRA layer"),
        (lambda: lora(use_dora=True), "DoRA"),
        (lambda: lora(init_lora_weights="pissa"), "B₀·A₀"),
    ],
    ids=["none", "dora", "pissa"],
)
def test_what_it_would_misread_stops_training_at_once(make: Any, said: str, tmp_path: Path) -> None:
    run = trainer(make(), tmp_path, SpectralCallback())
    with pytest.raises(AdapterError, match=said):
        run.train()


def test_variants_of_lora_whose_update_is_b_a_are_watched() -> None:
    model = lora()
    count = sum(len(stack.members) for stack in stacks_of(model))
    for layer in model.modules():
        if hasattr(layer, "lora_A"):
            vars(layer)["lora_variant"] = {"default": type("MiCALinearVariant", (), {})()}
    assert sum(len(stack.members) for stack in stacks_of(model)) == count


def test_factors_that_are_shared_out_are_refused() -> None:
    model = lora()
    layer = model.get_submodule("base_model.model.bert.encoder.layer.0.attention.self.query")
    layer.lora_A["default"].weight.data = torch.empty(0)  # as ZeRO-3 leaves it
    with pytest.raises(AdapterError, match="ZeRO-3"):
        SpectralCallback().on_train_begin(
            None, type("State", (), {"global_step": 0}), None, model=model
        )


@pytest.mark.parametrize("every", [0, -1, "step", True, 2.5])
def test_settings_out_of_range(every: Any) -> None:
    with pytest.raises(SettingsError, match="every is"):
        SpectralCallback(every)
    with pytest.raises(SettingsError, match="pictures is"):
        SpectralCallback(pictures=-1)


def test_without_transformers_the_pip_line_is_said() -> None:
    script = (
        "import sys; sys.modules['transformers'] = None\n"
        "try:\n    from lora_lens import SpectralCallback\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("MissingExtraError")
    assert 'pip install "lora-lens[train]"' in done.stdout


def test_peft_and_the_data_libraries_are_not_needed() -> None:
    script = (
        "import sys\nfor name in ('peft', 'datasets', 'optuna'): sys.modules[name] = None\n"
        "from lora_lens import SpectralCallback; SpectralCallback()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_names_that_it_looks_for_are_transformers() -> None:
    assert "tb_writer" in vars(TensorBoardCallback(tb_writer=object()))
