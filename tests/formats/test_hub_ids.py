"""A hub id as ADAPTER: from the cache, or downloaded, for the user has named it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_lora
from commands import run_apart
from local_hub import LocalHub, commit_of, serving
from safetensors.torch import save_file


def write_kohya(folder: Path) -> None:
    """A lone file of an image model's LoRA, of a name of its own."""
    folder.mkdir(parents=True)
    name = "lora_unet_double_blocks_0_img_attn_proj"
    shapes = {"lora_down.weight": (2, 6), "lora_up.weight": (4, 2)}
    tensors = {f"{name}.{factor}": torch.ones(shape) for factor, shape in shapes.items()}
    save_file(tensors, folder / "style.v2.safetensors")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """Holds some/adapter, another one on its branch ``old``, one below ``best`` and one that is none."""
    served = tmp_path / "served"
    write_lora(served / "some/adapter/main", BertLike(layers=1), base="some/bert")
    write_lora(served / "some/adapter/old", BertLike(layers=2), base="some/bert")
    write_lora(served / "some/run/main/best", BertLike(layers=3), base="some/bert")
    write_lora(served / "some/binary/main", BertLike(layers=1), base="some/bert", binary=True)
    write_kohya(served / "some/image/main/files")
    (served / "some/bert/main").mkdir(parents=True)
    (served / "some/bert/main/config.json").write_text("{}")
    with serving(served) as found:
        yield found


def inspect(tmp_path: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_apart(tmp_path, "inspect", name, "--json", **environment)


def test_it_is_downloaded_once_and_then_read_offline(tmp_path: Path, hub: LocalHub) -> None:
    for name, layers in (("some/adapter", 1), ("some/adapter@old", 2), ("some/run/best", 3)):
        done = inspect(tmp_path, name, **hub.environment)
        found = json.loads(done.stdout)
        assert (found["adapter"], len(found["modules"])) == (name, 2 * layers), done.stderr
    hub.asked.clear()
    again = inspect(tmp_path, "some/adapter", HF_HUB_OFFLINE="1")
    assert len(json.loads(again.stdout)["modules"]) == 2
    assert not hub.asked


def test_other_names_are_sought_in_the_cache_where_the_hub_is_out_of_reach(
    tmp_path: Path, hub: LocalHub
) -> None:
    """A repository that was downloaded has no ``adapter_model.safetensors`` beside its .bin."""
    inspect(tmp_path, "some/binary", **hub.environment)
    hub.asked.clear()
    done = inspect(tmp_path, "some/binary", HF_HUB_OFFLINE="1")
    assert len(json.loads(done.stdout or "{}").get("modules", ())) == 2, done.stderr
    assert not hub.asked


def test_files_are_of_one_commit_wherever_the_branch_has_gone_meanwhile(
    tmp_path: Path, hub: LocalHub
) -> None:
    """The cache has the configuration of one commit, and main is at another, of another α: all is of the first."""
    repo = "some/moved"
    for branch, alpha in (("old", 8), ("main", 800)):
        write_lora(tmp_path / "served" / repo / branch, BertLike(layers=1), base="some/bert")
        config = tmp_path / "served" / repo / branch / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": alpha}))
    inspect(tmp_path, f"{repo}@old", **hub.environment)
    cache = tmp_path / "cache" / "models--some--moved"
    (cache / "snapshots" / commit_of("old") / "adapter_model.safetensors").unlink()
    (cache / "refs" / "main").write_text(commit_of("old"))  # where main was then
    found = [
        json.loads(inspect(tmp_path, repo, **hub.environment).stdout)["modules"][0]["scaling"]
        for _ in "ab"
    ]
    assert found == [2.0, 2.0]
    assert [path.name for path in (cache / "snapshots").iterdir()] == [commit_of("old")]


def test_what_a_branch_had_not_yesterday_is_asked_for_again(tmp_path: Path, hub: LocalHub) -> None:
    """The cache knows that a commit had no adapter; the branch has moved on, and has one."""
    first = inspect(tmp_path, "some/bert", **hub.environment)
    assert "some/bert is no adapter" in first.stderr
    cache = tmp_path / "cache" / "models--some--bert"
    (cache / ".no_exist" / commit_of("main")).rename(cache / ".no_exist" / ("e" * 40))
    (cache / "refs" / "main").write_text("e" * 40)  # where main was then
    write_lora(tmp_path / "served/some/bert/main", BertLike(layers=1), base="some/bert")
    done = inspect(tmp_path, "some/bert", **hub.environment)
    assert len(json.loads(done.stdout or "{}").get("modules", ())) == 2, done.stderr


def test_a_part_of_a_commit_that_the_hub_has_no_more(tmp_path: Path, hub: LocalHub) -> None:
    inspect(tmp_path, "some/adapter", **hub.environment)
    cache = tmp_path / "cache" / "models--some--adapter"
    gone = "f" * 40
    (cache / "snapshots" / commit_of("main")).rename(cache / "snapshots" / gone)
    (cache / "refs" / "main").write_text(gone)
    (cache / "snapshots" / gone / "adapter_model.safetensors").unlink()
    done = inspect(tmp_path, "some/adapter", **hub.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f"of the commit {gone[:12]}, which the hub has no more; remove {cache} and ask"
        in done.stderr
    )


@pytest.mark.parametrize("gone", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_part_of_it_in_the_cache_and_no_hub(gone: str, tmp_path: Path, hub: LocalHub) -> None:
    inspect(tmp_path, "some/adapter", **hub.environment)
    (file,) = (tmp_path / "cache").glob(f"models--some--adapter/snapshots/*/{gone}")
    file.unlink()
    done = inspect(tmp_path, "some/adapter", HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{gone} is not in the hub's cache, where other files of it are" in done.stderr


def test_a_short_commit_that_is_in_the_cache(tmp_path: Path, hub: LocalHub) -> None:
    inspect(tmp_path, "some/adapter@old", **hub.environment)
    done = inspect(tmp_path, f"some/adapter@{commit_of('old')[:8]}", HF_HUB_OFFLINE="1")
    assert len(json.loads(done.stdout or "{}").get("modules", ())) == 4, done.stderr


def test_one_file_of_a_repository(tmp_path: Path, hub: LocalHub) -> None:
    done = inspect(tmp_path, "some/image/files/style.v2.safetensors@main", **hub.environment)
    (module,) = json.loads(done.stdout or "{}").get("modules", ((),))
    assert module["name"] == "unet.double_blocks.0.img_attn.proj", done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "some/image",
            "it holds no adapter_config.json; one of its files is named by some/image/FILE",
        ),
        ("some/adapter/other.safetensors", "other.safetensors: there is no such file in the hub's"),
        ("some/bert", "some/bert is no adapter: it holds no adapter_config.json"),
        (
            "nobody/nothing",
            "'nobody/nothing' is not a folder, and the hub has no repository of that name",
        ),
        ("some/adapter@never", "'some/adapter' has no revision 'never' on the hub"),
        ("served/nothing", "served/nothing is not a folder"),
        ("./nowhere", "nowhere is not a folder"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, hub: LocalHub, name: str, said: str) -> None:
    done = inspect(tmp_path, name, **hub.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_offline_and_not_in_the_cache_is_one_line(tmp_path: Path) -> None:
    done = inspect(tmp_path, "some/adapter", HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not in the hub's cache, and the hub could not be reached; pass a folder" in done.stderr
    assert done.stderr.count("\n") == 1
