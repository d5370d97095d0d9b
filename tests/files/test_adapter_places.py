import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from lora_lens import load_adapter, open_base
from lora_lens.errors import AdapterError, BaseModelError
from lora_lens.files.adapter_folders import find_adapters
from lora_lens.files.adapter_places import find_adapter
from lora_lens.files.hub_adapters import hub_id
from lora_lens.files.hub_files import is_hub_id

ONE = BertLike(layers=1)


def test_the_only_adapter_below_is_meant(tmp_path: Path) -> None:
    write_lora(tmp_path / "run" / "checkpoints" / "checkpoint-5", ONE)
    (tmp_path / "run" / "logs").mkdir()
    found = load_adapter(tmp_path / "run")
    assert found.source == str(tmp_path / "run" / "checkpoints" / "checkpoint-5")


def test_an_adapter_with_checkpoints_below_is_itself(tmp_path: Path) -> None:
    write_lora(tmp_path / "run", ONE)
    write_lora(tmp_path / "run" / "checkpoint-5", ONE)
    assert load_adapter(tmp_path / "run").source == str(tmp_path / "run")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "b"], "holds 2 adapters, a, b: name one of them, .*lora-lens matrix"),
        (
            ["checkpoint-10", "checkpoint-9"],
            "2 checkpoints, checkpoint-9, checkpoint-10: .*dynamics",
        ),
        ([f"x/{k}" for k in range(9)], "holds 9 adapters, x/0, .*x/5 and 3 more"),
    ],
)
def test_several_are_listed_in_one_line(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        write_lora(tmp_path / "many" / name, ONE)
    with pytest.raises(AdapterError, match=said) as caught:
        load_adapter(tmp_path / "many")
    assert "\n" not in str(caught.value)


def test_what_is_no_adapter_says_what_it_is(tmp_path: Path) -> None:
    write_base(tmp_path / "base", BertLike())
    (tmp_path / "notes.txt").write_text("")
    for name, said in (("base", "whole model"), ("notes.txt", "notes.txt is no adapter: expected")):
        with pytest.raises(AdapterError, match=said):
            load_adapter(tmp_path / name)
    with pytest.raises(AdapterError, match="no adapter_config.json, and encoder"):
        load_adapter(tmp_path / "base" / "model.safetensors")


def test_hub_ids_and_paths_that_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in (
        "user/adapter",
        "user/adapter@v1.0",
        "user/adapter/best@refs/pr/1",
        "_user/_adapter/_best",
    ):
        assert hub_id(name)
    for name in (
        "runs/rte",
        "/user/adapter",
        "user",
        "a/../b",
        "~/x/y",
        "user/adapter@../x",
        "u/a b",
        "u--v/a",
    ):
        assert hub_id(name) is None


@pytest.mark.parametrize(
    "name",
    ["a", "_a/_b", "-a/b", "a/b-", "a/b_", ".a/b", "a/.b", "a.b/c.d", "a--b/c", "a/b..c", "a/b.git", "a/b/c",
     "a/", "/b", "", "a b/c", "é/b", "a/é", "A" * 96, "a" * 97, "a/" + "b" * 97, "a@b/c", "a/b\n"],
)  # fmt: skip
def test_a_hub_id_is_what_huggingface_hub_takes_for_one(name: str) -> None:
    if not name.isascii() or "\n" in name:  # of which not all of its versions think alike
        assert not is_hub_id(name)
        return
    try:
        validate_repo_id(name)
    except HFValidationError:
        assert not is_hub_id(name)
    else:
        assert is_hub_id(name)


def test_a_configuration_of_the_hub_means_its_folder() -> None:
    for file in ("adapter_config.json", "adapter_model.safetensors.index.json"):
        for name in ("user/adapter", "user/adapter@v1", "user/adapter/best@v1"):
            repository, at, revision = name.partition("@")
            assert hub_id(f"{repository}/{file}{at}{revision}") == hub_id(name)
            assert find_adapter(f"{repository}/{file}{at}{revision}", ()).source == name


@pytest.mark.parametrize(
    ("address", "meant", "base"),
    [
        ("https://huggingface.co/some/a", "some/a", "some/a"),
        ("http://hf.co/some/a/?library=peft", "some/a", "some/a"),
        ("https://huggingface.co/some/a/tree/main", "some/a", "some/a"),
        ("https://huggingface.co/some/a/tree/refs%2Fpr%2F1", "some/a@refs/pr/1", "some/a@refs/pr/1"),
        ("https://huggingface.co/some/a/blob/v1/x.safetensors", "some/a/x.safetensors@v1", "some/a@v1"),
        ("https://huggingface.co/datasets/rows", None, None),
        ("https://elsewhere.org/some/a", None, None),
    ],
)  # fmt: skip
def test_of_a_pages_address_the_name_is_said(
    address: str, meant: str | None, base: str | None
) -> None:
    for refused in (lambda: load_adapter(address), lambda: find_adapters([address])):
        with pytest.raises(AdapterError, match="is not a folder") as caught:
            refused()
        assert ("name it" in str(caught.value)) == (meant is not None)
        assert meant is None or str(caught.value).endswith(f"; name it {meant}")
    with pytest.raises(BaseModelError, match="is no folder") as told:
        open_base(address)
    assert base is None or str(told.value).endswith(f"; name it {base}")


def test_files_and_hub_ids_among_many_are_taken_as_they_are(tmp_path: Path) -> None:
    write_lora(tmp_path / "a", ONE)
    file = tmp_path / "a" / "adapter_model.safetensors"
    assert find_adapters([file, "user/adapter", tmp_path]) == [
        file, Path("user/adapter"), tmp_path / "a",
    ]  # fmt: skip


@pytest.mark.parametrize("binary", [False, True])
def test_a_part_is_not_read_for_the_whole(tmp_path: Path, binary: bool) -> None:
    write_lora(tmp_path, BertLike(), binary=binary)
    (whole,) = tmp_path.glob("adapter_model.*")
    part = whole.rename(tmp_path / f"adapter_model-00001-of-00002{whole.suffix}")
    with pytest.raises(
        AdapterError, match=r"one of several parts.*adapter_model\.\w+\.index\.json"
    ):
        load_adapter(part)
    with pytest.raises(AdapterError, match=f"but parts of it, {part.name}, without the index"):
        load_adapter(tmp_path)


def test_opendeltas_folder_says_what_its_configuration_has(tmp_path: Path) -> None:
    """`save_finetuned` writes a model's names, and α where no other trainer has it."""
    path = "encoder.layer.0.attention.self.query.lora"
    tensors = {f"{path}.lora_A": torch.ones(2, 4), f"{path}.lora_B": torch.ones(4, 2)}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    said = {"delta_type": "lora", "lora_r": 2, "lora_alpha": 6, "backbone_class": "BertModel"}
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(AdapterError, match=r'OpenDelta\'s LoRA: put \{"lora_alpha": 6\} into'):
        load_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 6}')
    (query,) = load_adapter(tmp_path / "pytorch_model.bin").modules.values()
    assert query.scaling.tolist() == [3.0]
