import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from commands import run_apart
from local_hub import LocalHub, serving
from safetensors.torch import load_file, save_file

from lora_lens import demo_adapter, load_adapter, open_base
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.bases.opening import name_of
from lora_lens.errors import AdapterError, BaseModelError, FileFormatError
from lora_lens.files.locate import DEMO_BASE, local_folder

NAME = "encoder.layer.0.attention.self.value.weight"
PATH = "bert.encoder.layer.0.attention.self.value"


def shards(
    folder: Path, files: dict[str, dict[str, torch.Tensor]], ending: str = ".safetensors"
) -> None:
    folder.mkdir()
    stem = "model" if ending == ".safetensors" else "pytorch_model"
    for file, tensors in files.items():
        (save_file if ending == ".safetensors" else torch.save)(tensors, folder / file)
    index = {"weight_map": {name: file for file, tensors in files.items() for name in tensors}}
    (folder / f"{stem}{ending}.index.json").write_text(json.dumps(index))


def test_single_file_shards_and_bin_give_the_same(tmp_path: Path) -> None:
    one, other = random(4, 4, seed=1), random(4, 4, seed=2)
    write_base(tmp_path / "single", BertLike(), {NAME: one, NAME.replace("0", "1"): other})
    shards(
        tmp_path / "shards",
        {"a.safetensors": {NAME: one}, "b.safetensors": {NAME.replace("0", "1"): other}},
    )
    shards(
        tmp_path / "binary",
        {"a.bin": {NAME: one}, "b.bin": {NAME.replace("0", "1"): other}},
        ".bin",
    )
    (tmp_path / "old").mkdir()
    torch.save(
        {NAME: one}, tmp_path / "old" / "pytorch_model.bin", _use_new_zipfile_serialization=False
    )
    for kind in ("single", "shards", "binary", "old"):
        assert torch.equal(open_base(str(tmp_path / kind)).weight(PATH), one)


@pytest.mark.parametrize("plain", ["model.safetensors", "pytorch_model.bin"])
def test_a_variant_is_read_where_there_is_nothing_else(tmp_path: Path, plain: str) -> None:
    """As transformers does, which no variant was asked of."""
    write_base(tmp_path, BertLike(), {NAME: random(4, 4, seed=1)})
    (tmp_path / "model.safetensors").rename(tmp_path / "model.fp16.safetensors")
    assert torch.equal(open_base(str(tmp_path)).weight(PATH), random(4, 4, seed=1))
    save = save_file if plain.endswith(".safetensors") else torch.save
    save({NAME: random(4, 4, seed=2)}, tmp_path / plain)
    assert torch.equal(open_base(str(tmp_path)).weight(PATH), random(4, 4, seed=2))


def test_the_file_that_the_configuration_names_is_the_one_that_is_read(tmp_path: Path) -> None:
    """Transformers' `transformers_weights`, beside a file of the usual name."""
    write_base(tmp_path, BertLike(), {NAME: random(4, 4, seed=1)})
    save_file({NAME: random(4, 4, seed=2)}, tmp_path / "other.safetensors")
    index = {"weight_map": {NAME: "other.safetensors"}}
    (tmp_path / "other.safetensors.index.json").write_text(json.dumps(index))
    for name in ("other.safetensors", "other.safetensors.index.json"):
        names_its_weights(tmp_path, name)
        assert torch.equal(open_base(str(tmp_path)).weight(PATH), random(4, 4, seed=2))


@pytest.mark.parametrize("name", ["../other.safetensors", "none.safetensors", "other.bin", 3])
def test_one_that_is_not_in_the_folder_or_of_another_kind_is_refused(
    tmp_path: Path, name: object
) -> None:
    write_base(tmp_path / "base", BertLike(), {NAME: random(4, 4, seed=1)})
    for folder in (tmp_path, tmp_path / "base"):
        save_file({NAME: random(4, 4, seed=2)}, folder / "other.safetensors")
        (folder / "other.bin").write_bytes(b"")
    names_its_weights(tmp_path / "base", name)
    with pytest.raises(FileFormatError, match="for its weights, expected a .safetensors file"):
        open_base(str(tmp_path / "base"))


def names_its_weights(folder: Path, name: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": name}))


def test_only_the_shard_that_is_needed_is_read(tmp_path: Path) -> None:
    shards(
        tmp_path / "shards",
        {"a.safetensors": {NAME: random(4, 4, seed=1)}, "b.safetensors": {"x": random(1, seed=1)}},
    )
    (tmp_path / "shards" / "b.safetensors").unlink()
    weights = open_base(str(tmp_path / "shards"))
    assert weights.weight(PATH).shape == (4, 4)
    with pytest.raises(FileFormatError, match="no file b.safetensors"):
        weights.tensors.get("x")


@pytest.mark.parametrize(
    "outside", ["../secret.safetensors", "/etc/passwd", "a/../../b", "C:\\weights", "..\\up"]
)
def test_an_index_that_leaves_its_folder_is_refused(tmp_path: Path, outside: str) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {NAME: outside}})
    )
    with pytest.raises(FileFormatError, match="outside its folder"):
        open_base(str(tmp_path / "base"))


@pytest.mark.parametrize(
    ("before", "within"),
    [("_orig_mod.", ""), ("_fsdp_wrapped_module.", "_fsdp_wrapped_module."), ("", "_orig_mod.")],
)
def test_what_wrappers_put_into_names_is_no_part_of_them(
    before: str, within: str, tmp_path: Path
) -> None:
    """As torch.compile and FSDP leave a state that was saved from within them."""
    write_base(tmp_path / "base", shape := BertLike())
    wrapped = {
        before + name.replace("attention.", f"attention.{within}"): tensor
        for name, tensor in shape.base.items()
    }
    write_base(tmp_path / "wrapped", shape, wrapped)
    path = f"bert.{shape.path(2, 'value')}"
    plain, found = (open_base(str(tmp_path / name)).weight(path) for name in ("base", "wrapped"))
    assert torch.equal(plain, found)


def test_a_base_says_itself_in_a_line(tmp_path: Path) -> None:
    write_base(tmp_path / "base", BertLike())
    assert repr(open_base(str(tmp_path / "base"))).startswith("<BaseWeights: ")
    assert len(repr(open_base(str(tmp_path / "base")))) < 200 + len(str(tmp_path))


@pytest.mark.parametrize("size", [0, 4, 100])
def test_truncated_safetensors_is_an_error(tmp_path: Path, size: int) -> None:
    write_base(tmp_path / "base", BertLike())
    file = tmp_path / "base" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(FileFormatError, match="not a whole safetensors file"):
        open_base(str(tmp_path / "base"))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_git_lfs_pointer_is_named_as_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    with pytest.raises(FileFormatError, match="Git LFS's pointer"):
        open_base(str(tmp_path))


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('owned').touch()",)


def test_a_malicious_bin_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lora(tmp_path / "lora", BertLike(), binary=True)
    torch.save({"x": Malicious()}, tmp_path / "lora" / "adapter_model.bin")
    with pytest.raises(FileFormatError, match="could run code"):
        load_adapter(tmp_path / "lora")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"hello", bytes(range(256))])
def test_a_corrupt_bin_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(FileFormatError):
        open_base(str(tmp_path))


@pytest.mark.parametrize(
    ("w0", "message"),
    [
        (torch.full((4, 4), float("nan")), "NaN"),
        (torch.zeros(16, 1, dtype=torch.uint8), "unquantised"),
        (torch.zeros(4), "1-dimensional"),
    ],
)
def test_weights_that_cannot_be_analysed_are_an_error(
    tmp_path: Path, w0: torch.Tensor, message: str
) -> None:
    write_base(tmp_path / "base", BertLike(), {NAME: w0})
    with pytest.raises(BaseModelError, match=message):
        open_base(str(tmp_path / "base")).weight(PATH)


def test_a_missing_weight_says_what_there_is(tmp_path: Path) -> None:
    write_base(
        tmp_path / "base", BertLike(), {"roberta.layers.0.value.weight": random(4, 4, seed=1)}
    )
    with pytest.raises(BaseModelError, match="no weight of bert.*it has roberta"):
        open_base(str(tmp_path / "base")).weight(PATH)


def test_a_missing_weight_without_a_model_type_asks_for_the_configuration(tmp_path: Path) -> None:
    write_base(tmp_path / "base", BertLike())
    (tmp_path / "base" / "config.json").unlink()
    with pytest.raises(BaseModelError, match=r"No config\.json there says its model_type"):
        open_base(str(tmp_path / "base")).weight("vit.layers.0.mlp.fc1")


def test_a_missing_head_says_that_it_may_be_tied(tmp_path: Path) -> None:
    write_base(tmp_path / "base", BertLike())
    with pytest.raises(BaseModelError, match="tied to the embeddings"):
        open_base(str(tmp_path / "base")).weight("lm_head")


def test_a_base_with_pefts_layers_around_its_own_says_so(tmp_path: Path) -> None:
    path = "encoder.layer.0.attention.self.query"
    tensors = {f"{path}.base_layer.weight": random(4, 4, seed=1)}
    with pytest.raises(BaseModelError, match=r"query\.base_layer\.weight: .* unload\(\)"):
        open_base(str(write_base(tmp_path, BertLike(), tensors))).weight(f"bert.{path}")
    with pytest.raises(BaseModelError, match=r"query\.base_layer\.weight: .* unload\(\)"):
        open_base(str(tmp_path)).weight(path)


def test_an_ambiguous_weight_says_which(tmp_path: Path) -> None:
    names = {f"{stack}.{NAME}": random(4, 4, seed=k) for k, stack in enumerate(("text", "image"))}
    write_base(tmp_path / "base", BertLike(), names)
    with pytest.raises(BaseModelError, match="could be any of image"):
        open_base(str(tmp_path / "base")).weight(PATH.removeprefix("bert."))


def test_a_folder_whose_weights_are_in_one_below_says_which(tmp_path: Path) -> None:
    """As sentence-transformers' older models have them."""
    write_base(tmp_path / "0_Transformer", BertLike())
    with pytest.raises(BaseModelError, match="holds no model.safetensors.*in it do: 0_Transformer"):
        open_base(str(tmp_path))


def test_a_path_is_a_base_as_its_name_is() -> None:
    folder = Path(local_folder(DEMO_BASE) or "")
    adapter = load_adapter(demo_adapter("lora"))
    assert open_base(folder).source == open_base(str(folder)).source == str(folder)
    assert open_base_of(adapter, folder).source == str(folder)


def test_a_model_in_memory_is_no_name_of_a_base() -> None:
    """Of `name_of` itself, for the tests check the types of everything else first."""
    with pytest.raises(BaseModelError, match=r"'Linear', expected a folder.*load_adapter\(model\)"):
        name_of(torch.nn.Linear(1, 1))


def test_an_empty_folder_or_no_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="holds no model.safetensors"):
        open_base(str(tmp_path))
    write_lora(tmp_path / "lora", BertLike(), base=None)
    with pytest.raises(BaseModelError, match="does not name its base model"):
        open_base_of(load_adapter(tmp_path / "lora"))


@pytest.mark.parametrize("name", ["a--b", "a..b", "foo.git", "x" * 97, "y" * 300, "~nosuchuser/x"])
def test_names_that_are_neither_folder_nor_hub_id(name: str) -> None:
    with pytest.raises(BaseModelError):
        open_base(name)
    with pytest.raises(AdapterError, match="not a folder"):
        load_adapter(name)


# The hub: its cache, and a small server that answers as the hub does


REVISION = "0123456789abcdef0123456789abcdef01234567"


def similarity(
    tmp_path: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    words = ("similarity", tmp_path / "lora", "--json", "--draws", 0, *arguments)
    return run_apart(tmp_path, *words, **environment)


def test_a_hub_id_is_found_in_the_cache(tmp_path: Path) -> None:
    shape, repo = BertLike(), tmp_path / "cache" / "models--some--bert"
    write_base(repo / "snapshots" / REVISION, shape)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(REVISION)
    write_lora(tmp_path / "lora", shape, base="some/bert")
    done = similarity(tmp_path)
    assert json.loads(done.stdout)["base"] == "some/bert", done.stderr


def test_shards_in_the_cache_are_found_where_the_hub_is_out_of_reach(tmp_path: Path) -> None:
    """The user may have named the base, and there is no ``model.safetensors`` to be downloaded."""
    shape, repo = BertLike(), tmp_path / "cache" / "models--some--bert"
    write_base(tmp_path / "base", shape)
    tensors = load_file(tmp_path / "base" / "model.safetensors")
    snapshot = repo / "snapshots" / REVISION
    snapshot.parent.mkdir(parents=True)
    names = list(tensors)
    halves = (names[::2], names[1::2])
    shards(
        snapshot,
        {f"model-{k}.safetensors": {n: tensors[n] for n in half} for k, half in enumerate(halves)},
    )
    (snapshot / "config.json").write_bytes((tmp_path / "base" / "config.json").read_bytes())
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(REVISION)
    write_lora(tmp_path / "lora", shape, base="elsewhere/unknown")
    for named in ("some/bert", f"some/bert@{REVISION}"):
        done = similarity(tmp_path, "--base", named, HF_HUB_OFFLINE="1")
        assert json.loads(done.stdout or "{}").get("base") == named, done.stderr
    done = similarity(tmp_path, "--base", "some/bert@v2", HF_HUB_OFFLINE="1")
    assert "the hub could not be reached" in done.stderr
    for shard in snapshot.glob("model-*"):
        shard.unlink()
    (snapshot / "model.safetensors.index.json").unlink()
    done = similarity(tmp_path, "--base", "some/bert", HF_HUB_OFFLINE="1")
    assert "or in the hub's cache where the hub could not be reached" in done.stderr


def test_a_folder_of_a_files_name_in_the_cache_is_no_file(tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "models--some--bert" / "snapshots" / REVISION
    (snapshot / "model.safetensors").mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(REVISION)
    write_lora(tmp_path / "lora", BertLike(), base="some/bert")
    for more in ((), ("--base", "some/bert")):  # the second might be downloaded
        done = similarity(tmp_path, *more, HF_HUB_OFFLINE="1")
        assert (done.returncode, done.stdout) == (1, "")
        assert "some/bert" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """Holds some/bert."""
    write_base(tmp_path / "served/some/bert/main", BertLike())
    with serving(tmp_path / "served") as found:
        yield found


def test_a_base_that_the_user_names_is_downloaded_once(tmp_path: Path, hub: LocalHub) -> None:
    write_lora(tmp_path / "lora", BertLike(), base="elsewhere/unknown")
    done = similarity(tmp_path, "--base", "some/bert", **hub.environment)
    assert json.loads(done.stdout)["base"] == "some/bert", done.stderr
    assert any(path.endswith("/model.safetensors") for path in hub.asked)
    hub.asked.clear()
    assert similarity(tmp_path, "--base", "some/bert", **hub.environment).returncode == 0
    assert not any(path.endswith("/model.safetensors") for path in hub.asked)


def test_a_base_that_only_the_adapter_names_is_never_downloaded(
    tmp_path: Path, hub: LocalHub
) -> None:
    write_lora(tmp_path / "lora", BertLike(), base="some/bert")
    done = similarity(tmp_path, **hub.environment)
    assert (done.returncode, done.stdout, hub.asked) == (1, "", [])
    assert "pass --base some/bert to download it" in done.stderr


def test_a_repository_that_is_not_there_is_one_line(tmp_path: Path, hub: LocalHub) -> None:
    write_lora(tmp_path / "lora", BertLike())
    done = similarity(tmp_path, "--base", "nobody/nothing", **hub.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nobody/nothing" in done.stderr
    assert done.stderr.count("\n") == 1


def test_offline_and_not_in_the_cache_is_one_line(tmp_path: Path) -> None:
    write_lora(tmp_path / "lora", BertLike())
    done = similarity(tmp_path, "--base", "some/bert", HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not be reached" in done.stderr
    assert done.stderr.count("\n") == 1


EXPERT = "model.layers.0.mlp.experts.1"


@pytest.mark.parametrize(
    ("halves", "why"),
    [
        (((3, 4), (5, 4)), None),
        (
            ((3, 4), (3, 5)),
            r"gate_proj.weight with 4, .*up_proj.weight with 5 columns; expected as many of each",
        ),
        (((3, 4), (3,)), "up_proj.* 1-dimensional"),
    ],
)
def test_matrices_that_are_joined_fit_each_other(
    tmp_path: Path, halves: tuple[tuple[int, ...], ...], why: str | None
) -> None:
    """An expert's two, here; an image model's three, in test_image_names.py."""
    tensors = {
        f"{EXPERT}.{name}_proj.weight": random(*shape, seed=k)
        for k, (name, shape) in enumerate(zip(("gate", "up"), halves, strict=True))
    }
    save_file(tensors, tmp_path / "model.safetensors")
    base = open_base(str(tmp_path))
    if why is None:
        expected = torch.cat(list(tensors.values()))
        assert torch.equal(base.weight(f"{EXPERT}.gate_up_proj"), expected)
    else:
        with pytest.raises(BaseModelError, match=why):
            base.weight(f"{EXPERT}.gate_up_proj")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tf_model.h5", "from_tf=True"), ("flax_model.msgpack", "from_flax=True"),
        ("model.onnx", "exported for another runtime"), ("model.nemo", "Megatron's"),
        ("consolidated.00.pth", "name the file itself"), ("q4.gguf", "name the file itself"),
    ],
)  # fmt: skip
def test_weights_of_other_frameworks_are_told(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / name).write_bytes(b"x" * 99)
    with pytest.raises(BaseModelError, match=f"index of shards, but {name}, which is .*{said}"):
        open_base(str(tmp_path))
    if "itself" not in said:
        with pytest.raises(BaseModelError, match=f"{name} is .*{said}"):
            open_base(str(tmp_path / name))
