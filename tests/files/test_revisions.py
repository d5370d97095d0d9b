"""A base at the commit that is asked for: real layouts of the hub's cache, told apart by their numbers."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from commands import run_apart
from local_hub import serving

import lora_lens as ll
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError, BaseModelError
from lora_lens.files.locate import DEMO_BASE
from lora_lens.files.revisions import DEMO_REVISION, revisions_here, split_revision, with_revision

NEW, OLD = "a1" * 20, "b2" * 20
NAME = "encoder.layer.0.attention.self.value"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some/bert in two commits of other numbers: main and v2 are the new one."""
    from huggingface_hub import constants

    repository = tmp_path / "cache" / "models--some--bert"
    for k, commit in enumerate((NEW, OLD)):
        tensors = {
            f"{BertLike().path(layer, module)}.weight": random(
                24, 24, seed=100 * k + 10 * layer + m
            )
            for layer in range(3)
            for m, module in enumerate(("query", "value"))
        }
        write_base(repository / "snapshots" / commit, BertLike(), tensors)
    for name, commit in (("main", NEW), ("v2", NEW), ("refs/pr/1", OLD), ("gone", "c3" * 20)):
        (repository / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / name).write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return repository / "snapshots"


def w0(commit: Path) -> torch.Tensor:
    return ll.open_base(str(commit)).weight(NAME)


def adapter(tmp_path: Path, revision: str | None, base: str | None = None) -> ll.Adapter:
    config = {"revision": revision}
    write_lora(tmp_path / "lora", BertLike(), base="some/bert", config=config)
    return ll.load_adapter(tmp_path / "lora", base)


@pytest.mark.parametrize(
    ("revision", "commit"),
    [(None, NEW), ("main", NEW), ("v2", NEW), ("refs/pr/1", OLD), (OLD, OLD), (OLD[:8], OLD)],
)
def test_the_revision_of_the_configuration_is_read(
    cache: Path, tmp_path: Path, revision: str | None, commit: str
) -> None:
    base = open_base_of(adapter(tmp_path, revision))
    assert torch.equal(base.weight(NAME), w0(cache / commit))
    assert not torch.equal(w0(cache / NEW), w0(cache / OLD))
    pinned = revision not in (None, "main")
    assert base.source == (f"some/bert@{revision}" if pinned else "some/bert")


@pytest.mark.parametrize(
    ("own", "given", "commit", "source"),
    [
        (None, f"some/bert@{OLD}", OLD, f"some/bert@{OLD}"),
        (NEW, f"some/bert@{OLD}", OLD, f"some/bert@{OLD}"),
        (OLD, "some/bert", OLD, f"some/bert@{OLD}"),  # the same base: its revision is still meant
        (OLD, "some/bert@main", NEW, "some/bert@main"),
    ],
)
def test_the_callers_revision_comes_first(
    cache: Path, tmp_path: Path, own: str | None, given: str, commit: str, source: str
) -> None:
    loaded = adapter(tmp_path, own, given)
    for base in (open_base_of(loaded), open_base_of(adapter(tmp_path, own), given)):
        assert torch.equal(base.weight(NAME), w0(cache / commit))
        assert base.source == source
    assert ll.open_base(source).source == source


def test_another_base_is_not_asked_for_the_adapters_revision(cache: Path, tmp_path: Path) -> None:
    folder = str(cache / NEW)
    base = open_base_of(adapter(tmp_path, OLD, folder))
    assert (base.source, base.notes) == (folder, ())


@pytest.mark.parametrize("revision", ["v1", "c3" * 20, "c3c3c3c3", "gone"])
def test_a_revision_that_is_not_here_says_which_are(
    cache: Path, tmp_path: Path, revision: str
) -> None:
    with pytest.raises(BaseModelError) as caught:
        open_base_of(adapter(tmp_path, revision))
    said = str(caught.value)
    assert f"revision {revision} of base model 'some/bert' is not on this machine" in said
    assert f"main ({NEW[:12]})" in said
    assert f"refs/pr/1 ({OLD[:12]})" in said
    assert f"--base some/bert@{revision} to download it" in said
    assert "\n" not in said
    with pytest.raises(BaseModelError, match=r"could not be reached.*; on this machine is main"):
        open_base_of(adapter(tmp_path, None, f"some/bert@{revision}"))


def test_an_adapters_revision_that_is_not_here_says_which_are(tmp_path: Path, cache: Path) -> None:
    """It was "not in the hub's cache", which had two other commits."""
    cached = tmp_path / "cache" / "models--o--lora"
    write_lora(cached / "snapshots" / OLD, BertLike(), base="some/bert")
    (cached / "refs").mkdir()
    (cached / "refs" / "v1").write_text(OLD)
    assert ll.load_adapter("o/lora@v1").source == "o/lora@v1"
    here = f"could not be reached; .*; on this machine is v1 .{OLD[:12]}.$"
    with pytest.raises(AdapterError, match=f"not in the hub's cache at revision v2, and .*{here}"):
        ll.load_adapter("o/lora@v2")
    with pytest.raises(AdapterError, match=f"at revision main, and .*{here}"):
        ll.load_adapter("o/lora")


def test_a_commit_without_a_name_and_a_base_without_a_cache_are_said(cache: Path) -> None:
    (cache.parent / "refs" / "refs" / "pr" / "1").unlink()
    assert revisions_here("some/bert") == f"main ({NEW[:12]}), v2 ({NEW[:12]}), {OLD[:12]}"
    assert revisions_here("no/body") == ""
    with pytest.raises(BaseModelError, match="the hub's cache has nothing of it"):
        ll.open_base("no/body@v1")


def test_a_folder_has_no_revision_that_could_be_checked(cache: Path, tmp_path: Path) -> None:
    folder = str(cache / NEW)
    write_lora(tmp_path / "lora", BertLike(), base=folder, config={"revision": "v1"})
    loaded = ll.load_adapter(tmp_path / "lora")
    result = ll.conversion_similarity(loaded, "value", draws=0)
    (note,) = (note for note in result.notes if "revision" in note)
    assert note.startswith("the adapter was trained on revision v1 of its base model")
    assert result.to_dict()["base"] == ll.inspect(loaded).to_dict()["base"] == folder


def test_results_name_the_base_with_its_revision(cache: Path, tmp_path: Path) -> None:
    loaded, named = adapter(tmp_path, OLD), f"some/bert@{OLD}"
    assert (loaded.base_model, loaded.revision) == ("some/bert", OLD)
    for result in (
        ll.inspect(loaded),
        ll.conversion_similarity(loaded, "value", draws=0),
        ll.amplification(loaded, "value"),
        ll.spectrum(loaded, "value", draws=0),
    ):
        assert json.loads(json.dumps(result.to_dict()))["base"] == named
    assert ll.rank_grids(loaded, None, "value", layers=[0], draws=0).one == named
    (tmp_path / "lora").rename(tmp_path / "pinned")
    other = ll.compare(
        ll.load_adapter(tmp_path / "pinned"), adapter(tmp_path, None), "value", draws=0
    )
    assert any(f"different base models, {named} and some/bert" in note for note in other.notes)


def test_the_extra_demo_is_of_one_revision(cache: Path) -> None:
    for revision in (DEMO_REVISION, DEMO_REVISION[:7], "main"):
        assert ll.open_base(f"{DEMO_BASE}@{revision}").weight(NAME).shape == (384, 384)
    with pytest.raises(BaseModelError, match=f"{DEMO_REVISION[:12]} .of the extra demo"):
        ll.open_base(f"{DEMO_BASE}@{OLD}")


def test_a_folder_with_an_at_in_its_name_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_base(tmp_path / "bert@home", BertLike())
    assert split_revision("bert@home") == ("bert@home", None)
    assert ll.open_base("bert@home").source == "bert@home"
    assert split_revision("/data/bert@v1") == ("/data/bert@v1", None)
    assert split_revision("some/bert@../x") == ("some/bert@../x", None)
    assert with_revision("/nowhere/bert", "v1") == "/nowhere/bert"


def test_the_caches_own_folder_of_a_repository_is_its_main_branch(
    cache: Path, tmp_path: Path
) -> None:
    opened = ll.open_base(str(cache.parent))
    assert opened.commit == NEW
    assert opened.weight(NAME).equal(w0(cache / NEW))
    (cache.parent / "refs" / "main").unlink()
    with pytest.raises(ll.LensError, match="models--some--bert"):  # which of the two is not known
        ll.open_base(str(cache.parent)).weight(NAME)
    lora = tmp_path / "cache" / "models--some--lora" / "snapshots" / OLD
    write_lora(lora, BertLike(), base=str(cache / OLD))
    assert ll.load_adapter(lora.parents[1]).source == str(lora)
    own = tmp_path / "models--mine"  # a folder that is only called so
    write_lora(own, BertLike(), base=str(cache / OLD))
    (own / "snapshots" / "step-100").mkdir(parents=True)
    assert ll.load_adapter(own).source == str(own)


def test_a_revision_that_the_caller_names_is_downloaded(tmp_path: Path) -> None:
    for k, revision in enumerate(("main", "v1")):
        tensors = {f"{NAME}.weight": random(24, 24, seed=k)}
        write_base(tmp_path / "served" / "some" / "bert" / revision, BertLike(), tensors)
    write_lora(tmp_path / "lora", BertLike(layers=1, modules=("value",)), base="other/bert")
    with serving(tmp_path / "served") as hub:

        def asked(*words: str) -> subprocess.CompletedProcess[str]:
            return run_apart(tmp_path, *words, "--module", "value", "--json", **hub.environment)

        # A base alone is asked about at a revision too.
        alone = asked("outliers", "some/bert@v1", "--draws", "2")
        assert json.loads(alone.stdout)["base"] == "some/bert@v1", alone.stderr
        lora = str(tmp_path / "lora")
        done = asked("amplification", lora, "--base", "some/bert@v1")
        found = json.loads(done.stdout)
        assert found["base"] == "some/bert@v1", done.stderr
        norm = float(random(24, 24, seed=1).norm())
        assert found["layers"][0]["w0_norm"] == pytest.approx(norm, rel=1e-6)
        missing = asked("amplification", lora, "--base", "some/bert@v3")
        assert "has no revision 'v3' on the hub; on this machine is v1" in missing.stderr
        assert missing.stderr.count("\n") == 1


def test_the_commit_is_recorded_though_none_was_asked_for(cache: Path, tmp_path: Path) -> None:
    for base, commit in (
        ("some/bert", NEW), (f"some/bert@{OLD[:8]}", OLD), (str(cache / OLD), OLD),
        (DEMO_BASE, DEMO_REVISION),
    ):  # fmt: skip
        assert ll.open_base(base).commit == commit
    write_base(tmp_path / "plain", BertLike())
    assert ll.open_base(str(tmp_path / "plain")).commit is None
    loaded = adapter(tmp_path, None)
    for result in (
        ll.conversion_similarity(loaded, "value", draws=0),
        ll.shared_subspace(loaded, "value", draws=0),
        ll.outliers(loaded, "value", draws=20),
        ll.amplification(loaded, "value"),
        ll.spectrum(loaded, "value", draws=0),
        ll.rank_grids(loaded, None, "value", layers=[0], draws=0),
    ):
        found = json.loads(json.dumps(result.to_dict()))
        assert (found["base"], found["base_commit"]) == ("some/bert", NEW)
    compared = ll.compare(loaded, loaded, "value", draws=7).to_dict()
    assert (compared["base"], compared["base_commit"], compared["draws"]) == ("some/bert", NEW, 7)
