"""A folder of single files, as kohya's come: each that is an adapter is one."""

from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from safetensors.torch import save_file

from lora_lens import adapter_matrix, load_adapter
from lora_lens.errors import AdapterError, FileFormatError, LensError
from lora_lens.files.adapter_folders import find_adapters
from lora_lens.formats.opening import all_stems, stands_alone
from lora_lens.survey.sources import adapters_meant

NAME = "lora_te_text_model_encoder_layers_{}_self_attn_v_proj"


def kohya(file: Path, seed: int) -> Path:
    tensors = {}
    for layer in (0, 1):
        name = NAME.format(layer)
        tensors[f"{name}.lora_down.weight"] = random(2, 8, seed=10 * seed + layer)
        tensors[f"{name}.lora_up.weight"] = random(8, 2, seed=100 + 10 * seed + layer)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return file


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    """Three files, one of them `last` as sd-scripts calls it, beside a VAE and a note; one more below."""
    folder = tmp_path / "styles"
    for seed, name in enumerate(("last", "last-000002", "last-000010", "more/ink")):
        kohya(folder / f"{name}.safetensors", seed)
    save_file({"decoder.conv_in.weight": torch.ones(2, 2)}, folder / "vae.safetensors")
    (folder / "notes.txt").write_text("")
    return folder


def test_each_file_that_is_an_adapter_is_one(styles: Path) -> None:
    found = find_adapters([styles], all_stems(), stands_alone)
    names = [str(path.relative_to(styles)) for path in found]
    assert names == [
        "last-000002.safetensors", "last-000010.safetensors", "last.safetensors", "more/ink.safetensors",
    ]  # fmt: skip
    (styles / "last.safetensors").unlink()
    found = find_adapters([styles], all_stems(), stands_alone)
    assert [path.name for path in found] == [
        "last-000002.safetensors", "last-000010.safetensors", "ink.safetensors",
    ]  # fmt: skip


def test_matrix_and_survey_take_them(styles: Path) -> None:
    found = adapter_matrix([styles], "v_proj", draws=0)
    assert len(found.names) == 4
    assert found.values[0, 0] == pytest.approx(1)
    meant, unread = adapters_meant([styles])
    assert len(meant) == 4
    assert not unread


def test_where_one_is_asked_for_several_are_named(styles: Path) -> None:
    (styles / "last.safetensors").unlink()
    (styles / "more" / "ink.safetensors").unlink()
    with pytest.raises(
        AdapterError, match="3 files of tensors, last-000002.safetensors, .*vae"
    ) as caught:
        load_adapter(styles)
    assert "\n" not in str(caught.value)
    (styles / "vae.safetensors").unlink()
    (styles / "last-000010.safetensors").unlink()
    assert set(load_adapter(styles).modules) == {"v_proj"}


def test_a_folder_of_no_adapters_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file({"decoder.conv_in.weight": torch.ones(2, 2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(AdapterError, match="and no .safetensors that is one"):
        adapter_matrix([tmp_path], "v_proj", draws=0)


def test_a_broken_file_is_named_and_not_passed_over(tmp_path: Path) -> None:
    for seed in range(2):
        kohya(tmp_path / f"{seed}.safetensors", seed)
    (tmp_path / "2.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(LensError, match="2.safetensors"):
        adapter_matrix([tmp_path], "v_proj", draws=0)


def test_folders_of_peft_and_whole_models_are_as_before(tmp_path: Path) -> None:
    write_lora(tmp_path / "runs" / "one", BertLike())
    kohya(tmp_path / "runs" / "one" / "extra.safetensors", 1)
    write_base(tmp_path / "runs" / "base", BertLike())
    found = find_adapters([tmp_path / "runs"], all_stems(), stands_alone)
    assert found == [tmp_path / "runs" / "one"]


def test_links_out_of_a_folder_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's may lead anywhere; what is asked for by its own name, and within the folder, is read."""
    styles, elsewhere = tmp_path / "styles", tmp_path / "elsewhere.txt"
    styles.mkdir()
    elsewhere.write_bytes(b"secret")
    (styles / "x.safetensors").symlink_to(elsewhere)

    def opened(path: Path) -> None:
        raise AssertionError(path)

    lora = write_lora(tmp_path / "lora", BertLike(layers=1))
    monkeypatch.setattr("lora_lens.files.tensors.map_file", opened)
    for look in (
        lambda: find_adapters([styles], all_stems(), stands_alone),
        lambda: find_adapters([tmp_path], all_stems(), stands_alone),
        lambda: load_adapter(styles),
    ):
        with pytest.raises(FileFormatError, match="outside its folder; refusing to follow it"):
            look()
    with pytest.raises(LensError, match="styles.*outside its folder"):
        adapter_matrix([styles])
    read, unread = adapters_meant([styles, lora])
    assert read == [str(lora)]
    assert "refusing to follow it" in unread[0].reason


@pytest.mark.parametrize("given", [None, 3, ["one", "two"], {"lora_A": 1}])
def test_what_is_no_adapter_is_named(given: object) -> None:
    with pytest.raises(AdapterError, match=f"the adapter is a {type(given).__name__}, expected a"):
        load_adapter(given)


def test_a_folder_of_pickles_says_which_file_to_name(tmp_path: Path) -> None:
    torch.save({"a.lora_A": torch.ones(2, 8)}, tmp_path / "lora_weights.pt")
    (tmp_path / "optimizer.pt").write_bytes(b"")
    (tmp_path / "more.pt").mkdir()
    with pytest.raises(AdapterError, match=r"json; if one is in lora_weights.pt, name that file$"):
        load_adapter(tmp_path)
    (tmp_path / "lora_weights.pt").unlink()
    with pytest.raises(AdapterError, match=r"it holds no adapter_config.json$"):
        load_adapter(tmp_path)
