"""PEFT's other methods by the rules of the PEFT that trained them: ΔW by the older formula, by hand, or by PEFT's own reload.

The facts of older versions are of their sources, ``peft/tuners/lokr/layer.py`` (``get_delta_weight``) and
``peft/tuners/loha/model.py`` (``_create_and_replace``): 0.7.1, 0.10.0, 0.13.2, 0.14.0, 0.15.0 and 0.17.1.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas, made_by
from safetensors.torch import load_file
from torch import Tensor

from lora_lens import load_adapter, spectrum
from lora_lens.errors import AdapterError

peft = pytest.importorskip("peft", minversion="0.21")
made: Any = made_by("peft_methods")
lora: Any = made_by("peft_lora")

QUERY, DENSE = "attention.self.query", "intermediate.dense"
# What each version's adapter_config.json has not yet of what today's has.
LACKS = {
    "0.13": ("exclude_modules", "rank_dropout_scale", "peft_version"),
    "0.14": ("peft_version",),
    "0.17": ("peft_version",),
    "0.21": (),
}


def written(
    folder: Path, kind: str, version: str, told: Mapping[str, Any], **settings: Any
) -> Path:
    """An adapter saved by PEFT, whose configuration is as that version wrote it, and says `told`."""
    made.saved(kind, **settings)(folder)
    file = folder / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text()) | dict(told)
    kept = {key: value for key, value in config.items() if key not in LACKS[version]}
    file.write_text(json.dumps(kept))
    return folder / "adapter"


def by_hand(folder: Path, scales: Mapping[str, float]) -> dict[str, Tensor]:
    """ΔW of the tensors of a file: end of a path → s; Kronecker or element-wise product."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        path, _, part = name.removeprefix("base_model.model.").rpartition(".")
        parts.setdefault(path, {})[part] = tensor.double()
    found = {}
    for path, own in parts.items():
        if "hada_w1_a" in own:
            one, other = (own[f"hada_w{k}_a"] @ own[f"hada_w{k}_b"] for k in (1, 2))
            product = one * other
        else:
            one, other = (
                own[f"lokr_w{k}"]
                if f"lokr_w{k}" in own
                else own[f"lokr_w{k}_a"] @ own[f"lokr_w{k}_b"]
                for k in (1, 2)
            )
            product = torch.kron(one, other)
        found[path] = next(s for end, s in scales.items() if path.endswith(end)) * product
    return found


def check(folder: Path, expected: Mapping[str, Tensor]) -> None:
    found = deltas(load_adapter(folder))
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-6 * torch.linalg.norm(delta), path


@pytest.mark.parametrize(
    ("version", "query", "dense"), [("0.13", 1, 1), ("0.14", 2.5, 2), ("0.21", 2.5, 2)]
)
def test_lokr_of_before_0_14_was_trained_with_s_1(
    tmp_path: Path, version: str, query: float, dense: float
) -> None:
    settings = {"r": 2, "alpha": 5, "alpha_pattern": {DENSE: 4}}
    folder = written(tmp_path, "LoKrConfig", version, {}, **settings)
    check(folder, by_hand(folder, {QUERY: query, DENSE: dense}))
    adapter = load_adapter(folder)
    said = [one for one in adapter.caveats if "trained LoKr with s = 1" in one]
    assert len(said) == (version == "0.13")
    if said:
        assert "PEFT since applies s = α/r = 2 to 2.5 to the same file" in said[0]
        assert said[0] in spectrum(folder, base=None, draws=0).notes
        assert said[0] in adapter.notes
    # As a model of PEFT has it in memory, today's s counts.
    model = peft.PeftModel.from_pretrained(lora.bert(), folder)
    live = deltas(load_adapter(model))
    for path, delta in by_hand(folder, {QUERY: 2.5, DENSE: 2}).items():
        torch.testing.assert_close(live[path], delta, rtol=1e-5, atol=1e-6)
    assert not load_adapter(model).caveats


def test_lokr_of_alpha_r_is_the_same_in_all_versions(tmp_path: Path) -> None:
    folder = written(tmp_path, "LoKrConfig", "0.13", {}, r=2, alpha=2, rank_pattern={DENSE: 3}, alpha_pattern={DENSE: 3})  # fmt: skip
    check(folder, by_hand(folder, {QUERY: 1, DENSE: 1}))
    assert not load_adapter(folder).caveats


def test_of_a_lokr_that_no_peft_wrote_the_choice_is_said(tmp_path: Path) -> None:
    folder = written(tmp_path, "LoKrConfig", "0.13", {}, r=2, alpha=5)
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text())
    del config["inference_mode"]
    file.write_text(json.dumps(config))
    check(folder, by_hand(folder, {QUERY: 2.5, DENSE: 2.5}))
    (said,) = load_adapter(folder).caveats
    assert "does not say by which PEFT LoKr was trained: ΔW is with s = α/r = 2.5" in said
    for wrong in ({"r": 0}, {"r": "2"}, {"alpha": "5"}, {"alpha": float("nan")}):
        file.write_text(json.dumps(config | wrong))
        with pytest.raises(AdapterError):
            load_adapter(folder)


# First layer's query has an entry in the ranks, and so, before 0.15, no α of its own.
FIRST = f"layer.0.{QUERY}"
PATTERNS = {"rank_pattern": {"query": 3}, "alpha_pattern": {FIRST: 32}}


@pytest.mark.parametrize(
    ("version", "first", "note"),
    [
        ("0.13", 5 / 3, "ΔW is so, as it was trained"),
        ("0.14", 32 / 3, "may not be that of training"),
        ("0.17", 32 / 3, "may not be that of training"),
        ("0.21", 32 / 3, None),
    ],
)
def test_loha_of_before_0_14_took_one_entry_for_both_patterns(
    tmp_path: Path, version: str, first: float, note: str | None
) -> None:
    folder = written(tmp_path, "LoHaConfig", version, {}, r=2, alpha=5, **PATTERNS)
    check(folder, by_hand(folder, {FIRST: first, QUERY: 5 / 3, DENSE: 2.5}))
    said = [one for one in load_adapter(folder).notes if "saved by a PEFT" in one]
    assert len(said) == (note is not None)
    assert note is None or (note in said[0] and "α of 1 module:" in said[0])


@pytest.mark.parametrize("version", ["0.13", "0.14"])
def test_patterns_that_all_versions_meet_alike_have_no_note(tmp_path: Path, version: str) -> None:
    folder = written(tmp_path, "LoHaConfig", version, {}, r=2, alpha=5, rank_pattern={"query": 3}, alpha_pattern={"query": 9})  # fmt: skip
    check(folder, by_hand(folder, {QUERY: 3, DENSE: 2.5}))
    assert not any("saved by" in one for one in load_adapter(folder).notes)


def test_lokr_of_0_14_has_lohas_note(tmp_path: Path) -> None:
    folder = written(tmp_path, "LoKrConfig", "0.14", {}, r=2, alpha=5, **PATTERNS)
    assert any("may not be that of training" in one for one in load_adapter(folder).notes)


@pytest.mark.parametrize(("kind", "query", "dense"), [("LoHaConfig", 4, 2), ("LoKrConfig", 1, 1)])
def test_an_expression_without_parentheses_met_no_second_name(
    tmp_path: Path, kind: str, query: float, dense: float
) -> None:
    """Before 0.15 ``a|b`` met no b behind a dot, which kept the default rank, as the tensors have it."""
    told = {"rank_pattern": {rf"query|{DENSE}": 1}}
    folder = written(tmp_path, kind, "0.13", told, r=2, alpha=4, rank_pattern={"query": 1})
    check(folder, by_hand(folder, {QUERY: query, DENSE: dense}))


@pytest.mark.parametrize("kind", ["LoHaConfig", "LoKrConfig"])
def test_two_entries_that_peft_sorted_are_told(tmp_path: Path, kind: str) -> None:
    """ΔW is that of PEFT's own reload, which is not that of training."""
    folder = written(tmp_path, kind, "0.21", {}, r=2, alpha=5, alpha_pattern={"query": 9, FIRST: 3})
    check(folder, by_hand(folder, {FIRST: 1.5, QUERY: 4.5, DENSE: 2.5}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = peft.PeftModel.from_pretrained(lora.bert(), folder)
    check(folder, made.added(again))
    adapter = load_adapter(folder)
    assert sum("two entries of alpha_pattern match 1 module" in one for one in adapter.notes) == 1


def test_a_module_without_a_parent_has_its_own_entry(tmp_path: Path) -> None:
    """C3A finds ``head`` by its letters, and ``body.head`` by its end or its letters, whichever is there."""

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(16, 16)
            self.body = torch.nn.ModuleDict({"head": torch.nn.Linear(16, 16)})

    for k, pattern in enumerate(
        [{"head": 4}, {"body.head": 4}, {"^head": 4}, {"head|x": 4}, {"body.*": 2, "head": 4}]
    ):
        torch.manual_seed(0)
        config = peft.C3AConfig(block_size=8, block_size_pattern=pattern, target_modules=["head"])
        tuned = peft.get_peft_model(Two(), config)
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter)
        tuned.save_pretrained(tmp_path / str(k))
        check(tmp_path / str(k), made.added(tuned))
