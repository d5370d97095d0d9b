"""Settings that no known PEFT has: said by every question, of every format that has PEFT's configuration."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from made_formats import cases_of
from safetensors.torch import save_file

import lora_lens as ll
from lora_lens import load_adapter
from lora_lens.errors import AdapterError
from lora_lens.formats.peft.known import KNOWN, LATEST, unknown_said

NEW: dict[str, Any] = {
    "peft_version": "0.25.0", "use_newlora": True, "newlora_config": {"gamma": 3}, "a_zero": 0,
    "off": False, "none": None, "empty": {}, "no_words": "", "no_names": [],
}  # fmt: skip
SAID = (
    f"the configuration sets a_zero, newlora_config, use_newlora, unknown to PEFT up to {LATEST}:"
)


@pytest.mark.parametrize("kind", ["LoraConfig", "AdaLoraConfig"])
def test_all_that_the_installed_peft_has_is_known(kind: str) -> None:
    peft = pytest.importorskip("peft", minversion="0.21")
    assert {field.name for field in fields(getattr(peft, kind))} - KNOWN == set()


def test_every_question_says_what_is_not_known(tmp_path: Path) -> None:
    plain = write_lora(tmp_path / "plain", BertLike())
    new = write_lora(tmp_path / "new", BertLike(), config=NEW)
    assert not load_adapter(plain).caveats
    (said,) = load_adapter(new).caveats
    assert said.startswith(SAID)
    base, asked = str(write_base(tmp_path / "base", BertLike())), {"module": "query", "draws": 3}
    results = [
        ll.inspect(new),
        ll.spectrum(new, base=None, draws=0),
        ll.conversion_similarity(new, base=base, **asked),
        ll.shared_subspace(new, base=base, **asked),
        ll.rank_grids(new, base=base, **asked),
        ll.amplification(new, "query", base=base),
        ll.compare(plain, new, **asked),
        ll.adapter_matrix([plain, new], **asked),
    ]
    for result in results:
        assert said in result.notes, type(result).__name__
    with pytest.raises(AdapterError, match="has no θ to make factors of"):
        ll.export_lora(new, tmp_path / "out")


def test_what_others_write_beside_pefts_settings_is_known() -> None:
    """As ms-swift's own LoRA has it in its configuration: types and rates of learning."""
    swifts = {
        "swift_type": "LORA",
        "lora_dtype": "bf16",
        "lorap_lr_ratio": 16.0,
        "lorap_emb_lr": 1e-6,
    }
    assert not list(unknown_said({"r": 8} | swifts))


def test_a_run_of_such_checkpoints_is_no_dora(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write_lora(tmp_path / f"checkpoint-{step}", BertLike(), seed=step, config=NEW)
    notes = ll.dynamics(tmp_path, module="query").notes
    assert sum(one.startswith(SAID) for one in notes) == 1
    assert not any("ΔW is s·B·A here" in one for one in notes)


@pytest.mark.parametrize("case", ["peft_adalora", "peft_methods"])
def test_other_methods_say_it_too(tmp_path: Path, case: str) -> None:
    cases = cases_of(case)
    cases["loha" if case == "peft_methods" else next(iter(cases))](tmp_path)
    file = tmp_path / "adapter" / "adapter_config.json"
    assert not load_adapter(file.parent, tmp_path / "base").caveats
    file.write_text(json.dumps(json.loads(file.read_text()) | NEW))
    (said,) = load_adapter(file.parent, tmp_path / "base").caveats
    assert said.startswith(SAID.partition(" up to")[0])


def test_of_diffusers_header(tmp_path: Path) -> None:
    path = "transformer.transformer_blocks.0.attn.to_q"
    tensors = {
        f"{path}.lora_A.weight": random(2, 6, seed=1),
        f"{path}.lora_B.weight": random(6, 2, seed=2),
    }
    for more, count in (({}, 0), (NEW, 1)):
        settings = {"r": 2, "lora_alpha": 4, "peft_type": "LORA"} | more
        header = {
            "lora_adapter_metadata": json.dumps(
                {f"transformer.{k}": v for k, v in settings.items()}
            )
        }
        save_file(tensors, tmp_path / "a.safetensors", header)
        adapter = load_adapter(tmp_path / "a.safetensors")
        assert sum(one.startswith(SAID) for one in adapter.caveats) == count
        assert torch.equal(adapter.modules["to_q"].scaling, torch.tensor([2.0]))


def test_many_names_and_long_ones_are_cut() -> None:
    (said,) = unknown_said({f"{k}\x1b" + "x" * 100: 1 for k in range(5)})
    assert "and 2 more, unknown" in said
    assert "\x1b" not in said
    assert len(said) < 300
