"""What every format keeps to: ΔW is its library's own, every tensor is accounted for, none is of two."""

import inspect
import pickle
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import MADE, cases_of, deltas

from lora_lens import adapter_matrix, demo_adapter, load_adapter, spectrum
from lora_lens.files.adapters_in import ALONE
from lora_lens.files.mapped import version_of
from lora_lens.formats import FORMATS
from lora_lens.formats.format import Format, format_of
from lora_lens.formats.loading import low_rank
from lora_lens.formats.opening import open_adapter
from lora_lens.updates import Factor

NAMES = [each.name for each in FORMATS]
OF_NO_NUMBER = {"README.md", "adapter_interface.json"}  # which libraries write beside the others


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Format → case → (folder, ΔW by path), each made once."""
    known: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        if name not in known:
            found = {}
            for case, make in cases_of(name).items():  # it may skip
                folder = tmp_path_factory.mktemp(name)
                found[case] = (folder, make(folder))
            known[name] = found
        return known[name]

    return of


def test_every_file_here_is_a_format_or_helps_one() -> None:
    home = Path(inspect.getfile(import_module("lora_lens.formats"))).parent
    holding = {file.stem for file in home.glob("*.py") if "\nFORMAT = Format(" in file.read_text()}
    assert holding == set(NAMES) == {file.stem for file in MADE.glob("*.py")}


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_its_row(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    named = re.findall(r"`made/([\w*]+)\.py`", page)
    assert any(fnmatch(name, each) for each in named), f"docs/formats.md lacks `made/{name}.py`"
    (one,) = [each for each in FORMATS if each.name == name]
    row = f"| {one.title} | {one.cannot} |"
    assert row in page, f"docs/formats.md lacks {row!r}"


@pytest.mark.parametrize("name", NAMES)
def test_delta_is_the_librarys_own(name: str, made: Callable[[str], dict[str, Any]]) -> None:
    for case, (folder, expected) in made(name).items():
        found = deltas(load_adapter(folder / "adapter", folder / "base"))
        assert found.keys() == expected.keys(), case
        for path, delta in expected.items():
            error = torch.linalg.norm(found[path] - delta) / torch.linalg.norm(delta)
            assert error < 1e-6, (case, path)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_was_read_is_told(name: str, made: Callable[[str], dict[str, Any]]) -> None:
    """By which a report gives their checksums."""
    for case, (folder, _) in made(name).items():
        adapter = load_adapter(folder / "adapter", folder / "base")
        there = {path for path in (folder / "adapter").rglob("*") if path.is_file()}
        assert {path for path in there if path.name not in OF_NO_NUMBER} == set(
            adapter.read_from
        ), case
        for path, opened in adapter.read_from.items():
            assert opened == version_of(path), case


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_accounted_for_once(
    name: str, made: Callable[[str], dict[str, Any]]
) -> None:
    for case, (folder, _) in made(name).items():
        files = open_adapter(folder / "adapter", folder / "base")
        found = format_of(files).read(files)
        used = {tensor for update in found.updates.values() for tensor in update.tensors}
        assert used | set(found.left_out) == set(files.names), case
        assert not used & set(found.left_out), case
        read = {
            each.name
            for update in found.updates.values()
            for each in vars(update).values()
            if isinstance(each, Factor)
        }
        assert not read & set(found.left_out), f"{case}: read, but not in its update's `tensors`"
        assert all(reason.why for reason in found.left_out.values())
        assert low_rank(files, found).keys() == found.updates.keys()


@pytest.mark.parametrize("name", NAMES)
def test_files_are_of_one_format(name: str, made: Callable[[str], dict[str, Any]]) -> None:
    for case, (folder, _) in made(name).items():
        files = open_adapter(folder / "adapter")
        assert [each.name for each in FORMATS if each.matches(files)] == [name], case


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str, made: Callable[[str], dict[str, Any]]) -> None:
    (one,) = [each for each in FORMATS if each.name == name]
    assert one.title
    assert one.stems
    for folder, _ in made(name).values():
        adapter = load_adapter(folder / "adapter", folder / "base")
        assert adapter.from_w0 == (one.thetas is not None)
        assert adapter.title
        assert adapter.trainable_parameters > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_file_or_the_folder_above_means_the_same(
    name: str, made: Callable[[str], dict[str, Any]]
) -> None:
    folder, expected = next(iter(made(name).values()))
    (file,) = [f for f in (folder / "adapter").iterdir() if f.suffix in ALONE]
    for path in (file, *(folder / "adapter").glob("adapter_config.json")):
        assert deltas(load_adapter(path, folder / "base")).keys() == expected.keys()


def test_an_adapter_can_be_sent_to_another_process(made: Callable[[str], dict[str, Any]]) -> None:
    folder, expected = made("peft_lora")["bert"]
    sent = pickle.loads(pickle.dumps(load_adapter(folder / "adapter")))
    assert deltas(sent).keys() == expected.keys()


def test_there_its_numbers_are_the_same_to_the_bit() -> None:
    adapter = load_adapter(demo_adapter("lora"))
    here, there = (spectrum(one, draws=0) for one in (adapter, pickle.loads(pickle.dumps(adapter))))
    assert there == here


def test_a_format_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONTRIBUTING.md's example, as it stands there: a format in one file, and the line that names it."""
    from safetensors.torch import save_file

    import lora_lens.formats as room

    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    code = text.split("```python\n# lora_lens/formats/halves.py\n")[1].split("```")[0]
    (tmp_path / "halves.py").write_text(code)
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    added: Format = import_module("lora_lens.formats.halves").FORMAT
    monkeypatch.setattr(room, "FORMATS", (*FORMATS, added))
    up, down = torch.randn(6, 2), torch.randn(2, 4)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_file(
        {"layers.0.q.up": up, "layers.0.q.down": down, "step": torch.ones(1)},
        folder / "halves.safetensors",
    )
    adapter = load_adapter(folder)
    assert list(adapter.left_out) == ["step"]
    delta = (up.double() @ down.double()) / 2
    torch.testing.assert_close(deltas(adapter)["layers.0.q"], delta)
    assert deltas(load_adapter(folder / "halves.safetensors")).keys() == {"layers.0.q"}
    shutil.copytree(folder, tmp_path / "other")
    assert adapter_matrix([folder, tmp_path], "q", draws=0).names == ("adapter", "other")
