"""`lora-lens survey`: what it prints, writes and refuses."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkpoints import BertLike, write_base, write_lora
from commands import fails
from made_runs import write_adapter
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner, Result

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.survey import reading
from lora_lens.survey.glossary import legend


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["survey", *map(str, arguments)])


def test_json_is_the_functions_and_the_files(dozen: Path, tmp_path: Path) -> None:
    done = run(dozen, "-o", tmp_path / "out", "--json", "--rank", 2, "--k", 4, "--seed", 3)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == ll.survey(dozen, tmp_path / "other", rank=2, k=4, seed=3).to_dict()
    assert json.loads((tmp_path / "out" / "survey.json").read_text()) == found
    assert (found["rank"], found["seed"], found["version"]) == (2, 3, ll.__version__)
    assert found["findings"] == []
    assert found["summary"].startswith("12 adapters at 4 places. φ of A between two is 0.0")
    assert set(found["questions"]) == {"spectrum", "pairs", "subspace", "outlying", "interference"}
    assert max(row["k"] for row in found["subspace"]) == 4


def test_tables_are_printed_and_written_as_both_kinds(dozen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(dozen, "--out", out)
    assert done.exit_code == 0
    for words in ("φ of all pairs by place", "Closest in A", "mean adapter", "Sum of all adapters"):
        assert words in done.stdout
        assert words in (out / "survey.md").read_text()
    said = ll.survey(dozen, out).sentences
    assert len(said) == 6
    assert done.stdout.startswith("\n".join(one.split(":")[0] for one in said[:2]))
    assert (out / "survey.md").read_text().startswith("\n\n".join(said[:2]))
    assert done.stderr == f"wrote {len(list(out.glob('*.*')))} files to {out}\n"
    for path in out.glob("*.parquet"):
        written, read = pd.read_csv(path.with_suffix(".csv")), pd.read_parquet(path)
        assert list(written.columns) == list(read.columns)
        assert len(written) == len(read)
    assert "nan" not in done.stdout.lower()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_of_what_is_left_out_are_whole(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """They were folded within a word, ``intermediate.d`` above ``ense``, for the reason beside them to have room."""
    monkeypatch.setenv("COLUMNS", str(width))
    modules, name = ("intermediate.dense", "output.dense"), "one-of-another-width-than-others"
    write_adapter(dozen / "as-wide", seed=20, modules=modules)
    write_adapter(dozen / "as-wide-again", seed=21, modules=modules)
    write_adapter(dozen / name, modules=modules, width=32)
    done = run(dozen, "-o", tmp_path / "out", "--questions", "spectrum")
    lines = done.stdout.partition("Left out")[2].splitlines()
    assert max(map(len, lines)) <= width
    for at in ("intermediate.dense  0", "output.dense *  1"):
        assert any(re.match(rf"{name}  {at}( |$)", line) for line in lines)


def test_words_are_explained_where_that_is_asked(dozen: Path, tmp_path: Path) -> None:
    done = run(dozen, "-o", tmp_path / "out", "--explain")
    assert done.exit_code == 0
    lines = legend(["pairs", "subspace", "outlying", "interference"])
    assert all(words(line) in words(done.stdout) for line in lines)
    for table in ll.survey(dozen, tmp_path / "out").tables:
        for name in {"gaussian", "mean A", "mean adapter", "left out", "fitted"} & {*table.head}:
            assert any(name in line.partition(": ")[0] or f"{name}:" in line for line in lines)
    plain = run(dozen, "-o", tmp_path / "out")
    assert "what the words mean: --explain" in plain.stdout
    assert words(lines[-1]) not in words(plain.stdout)
    shard = (dozen, "-o", tmp_path / "part", "--shard", "1/4")
    assert run(*shard).stdout.count("\n") <= 2
    assert words(lines[-1]) in words(run(*shard, "--explain").stdout)  # though there is no table


def test_what_was_left_out_is_said(dozen: Path, tmp_path: Path) -> None:
    for k in range(5):
        (dozen / f"bad-{k}").mkdir()
        (dozen / f"bad-{k}" / "adapter_config.json").touch()
    done = run(dozen, "-o", tmp_path / "out", "--questions", "spectrum")
    assert done.exit_code == 0
    assert done.stderr.count("left out: ") == 4
    assert "2 more, in failed.csv" in done.stderr
    assert "5 were not read." in done.stdout


def test_failures_are_one_line(dozen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, words in (
        ((tmp_path / "none",), "no adapter can be read"),
        ((dozen, "--shard", "0/2"), "K/N"),
        ((dozen, "--shard", "²/3"), "K/N"),
        ((dozen, "--questions", "conversions"), "--base"),
        ((dozen, "--questions", "conversions", "--base", tmp_path / "none"), "none"),
    ):
        done = run(*arguments, "-o", out)
        assert done.exit_code == 1
        assert done.stdout == ""
        assert done.stderr.startswith("lora-lens: ")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr
        assert not out.exists()
    wrong = run(dozen, "--questions", "spectra")
    assert wrong.exit_code == 2
    assert "spectra" in wrong.stderr


def test_a_shard_says_how_far_it_is(dozen: Path, tmp_path: Path) -> None:
    done = run(dozen, "-o", tmp_path / "out", "--shard", "2/4", "--questions", "spectrum")
    assert done.exit_code == 0
    assert done.stdout.startswith("1 of 4 places of 12 adapters are there")
    assert "wrote" not in done.stderr


def test_a_shards_json_has_what_every_questions_has(dozen: Path, tmp_path: Path) -> None:
    done = run(dozen, "-o", tmp_path / "out", "--shard", "2/4", "--seed", 3, "--json", "--rank", 2)
    found = json.loads(done.stdout)
    assert (found["findings"], found["seed"], found["version"]) == ([], 3, ll.__version__)
    assert (found["adapters"], found["places"], found["missing"]) == (12, 4, 3)
    whole = ll.survey(dozen, tmp_path / "whole", seed=3, rank=2).to_dict()
    shared = set(found) & set(whole) - {"summary", "files", "notes"}
    assert {name: found[name] for name in shared} == {name: whole[name] for name in shared}
    assert shared >= {"questions", "rank", "convention", "base", "draws", "failed"}


@pytest.mark.parametrize("text", ["", "not JSON"])
def test_a_folders_name_does_nothing_to_the_terminal(
    dozen: Path, tmp_path: Path, text: str
) -> None:
    """It stands once in its line, whoever's error tells of it."""
    name = "bad\x1b[31mRED"
    (dozen / name).mkdir()
    (dozen / name / "adapter_config.json").write_text(text)
    done = run(dozen, "-o", tmp_path / "out", "--questions", "spectrum")
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("left out: "))
    assert line.count("RED") == 1


def test_a_path_of_no_adapter_stands_once_in_its_line(dozen: Path, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    given = [dozen, empty, tmp_path / "none"]
    done = run(*given, "-o", tmp_path / "out", "--questions", "spectrum")
    lines = [one for one in done.stderr.splitlines() if one.startswith("left out: ")]
    assert [line.count(str(path)) for line, path in zip(lines, given[1:], strict=True)] == [1, 1]
    assert lines[0].startswith(f"left out: {empty}: no adapter in or under it: no folder")


def test_a_strangers_error_is_written_as_what_is_seen(
    dozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no \x1b[31mheader\u202e\nhere")

    (dozen / "bad").mkdir()
    (dozen / "bad" / "adapter_config.json").touch()
    load = reading.load_adapter
    monkeypatch.setattr(
        reading, "load_adapter", lambda path, base: fail() if "bad" in path else load(path, base)
    )
    found = ll.survey(dozen, tmp_path / "out", questions="spectrum")
    assert [reason for _, reason in found.failed] == ["ValueError: no \ufffd[31mheader\ufffd here"]
    written = (tmp_path / "out" / "failed.csv").read_text()
    assert "\x1b" not in written
    assert "\u202e" not in written


def words(text: str) -> str:
    """Without the ends of lines."""
    return " ".join(text.split())


def test_copies_of_one_adapter_alone_have_no_w0_in_common(tmp_path: Path) -> None:
    """``layer_replication``: W0 of the second layer is the first's in one adapter, and its own in the other."""
    shape = BertLike(width=8, layers=2, rank=2)
    base = write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "many" / "own", shape)
    config = {"layer_replication": [[0, 1], [0, 1]]}
    write_lora(tmp_path / "many" / "copied", shape, seed=8, config=config)
    settings = [tmp_path / "many", "-o", tmp_path / "out", "--base", base]
    done = run(*settings)
    assert done.exit_code == 1
    assert "is a copy of another layer in some adapters than in others (layer_repl" in done.stderr
    assert run(*settings, "--questions", "pairs").exit_code == 0


def test_adapters_of_different_bases_are_noted(dozen: Path, tmp_path: Path) -> None:
    write_adapter(dozen / "a", seed=80, base="owner/one")
    write_adapter(dozen / "b", seed=81, base="owner/other")
    done = run(dozen, "-o", tmp_path / "out", "--questions", "pairs")
    assert "note: the adapters name 2 base models (owner/one, owner/other)" in words(done.stdout)
    told = "14 adapters of 2 bases: numbers are over all of them. They are at 4 places. φ of"
    assert words(done.stdout).startswith(told)
    page = (tmp_path / "out" / "survey.md").read_text()
    notes = json.loads((tmp_path / "out" / "survey.json").read_text())["notes"]
    assert [line.removeprefix("- ") for line in page.splitlines() if line[:2] == "- "] == notes


def test_dora_is_said_to_be_taken_by_its_factors(dozen: Path, tmp_path: Path) -> None:
    folder = write_adapter(dozen / "dora", seed=82)
    file, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    tensors = load_file(file)
    for name in [name for name in tensors if "lora_B" in name]:
        magnitude = name.replace("lora_B.weight", "lora_magnitude_vector.weight")
        tensors[magnitude] = np.ones(24, np.float32)
    save_file(tensors, file)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_dora": True}))
    done = run(dozen, "-o", tmp_path / "out", "--questions", "spectrum")
    assert "(1 of 13 adapters); ΔW is s·B·A here" in words(done.stdout)
    assert len(pd.read_csv(tmp_path / "out" / "spectrum.csv")) == 13 * 4


def test_another_caveat_than_doras_says_nothing_of_its_delta(dozen: Path, tmp_path: Path) -> None:
    config = write_adapter(dozen / "new", seed=83) / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_newlora": True}))
    done = run(dozen, "-o", tmp_path / "out", "--questions", "spectrum")
    assert "the configuration sets use_newlora, unknown to PEFT" in words(done.stdout)
    assert "(1 of 13 adapters)\n" in done.stdout
    assert "s·B·A here" not in words(done.stdout)


@pytest.mark.usefixtures("forked")
def test_a_bases_own_names_reach_whoever_does_the_work(dozen: Path, tmp_path: Path) -> None:
    """With --rename a base of other names gives the same bytes, one after another, in processes and in threads."""
    plain, own = tmp_path / "plain", tmp_path / "own"
    adapter = ll.load_adapter(next(iter(sorted(dozen.iterdir()))))
    paths = [name for factors in adapter.modules.values() for name in factors.names]
    rng = np.random.default_rng(0)
    d = next(iter(adapter.modules.values())).in_features
    w0 = {path: rng.standard_normal((d, d), dtype=np.float32) for path in paths}
    for folder, change in (
        (plain, lambda name: name),
        (own, lambda name: f"trunk.{name.replace('.', '.x')}"),
    ):
        folder.mkdir()
        save_file(
            {f"{change(path)}.weight": matrix for path, matrix in w0.items()},
            folder / "model.safetensors",
        )
        (folder / "config.json").write_text('{"model_type": "bert"}')
    asked = ["--questions", "conversions"]
    done = run(dozen, "-o", tmp_path / "expected", "--base", plain, *asked)
    assert done.exit_code == 0, done.stderr
    expected = (tmp_path / "expected" / "pairs.parquet").read_bytes()
    assert run(dozen, "-o", tmp_path / "none", "--base", own, *asked).exit_code == 1
    names = ["--rename", r"\.=.x", "--rename", "^=trunk."]
    for k, more in enumerate(([], ["--processes", 2])):
        done = run(dozen, "-o", tmp_path / f"own-{k}", "--base", own, *asked, *names, *more)
        assert done.exit_code == 0, done.stderr
        assert (tmp_path / f"own-{k}" / "pairs.parquet").read_bytes() == expected
    with ThreadPoolExecutor(1) as executor, ll.renaming({r"\.": ".x", "^": "trunk."}):
        ll.survey(
            dozen, tmp_path / "threads", base=own, questions=["conversions"], executor=executor
        )
    assert (tmp_path / "threads" / "pairs.parquet").read_bytes() == expected


def test_a_hub_that_is_out_of_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """It was ten more, two each time that the hub was asked again."""
    import huggingface_hub
    from huggingface_hub.utils import logging

    def list_models(*_: object, **__: object) -> None:
        http = logging.get_logger("huggingface_hub.utils._http")
        http.warning("'refused' thrown while requesting GET https://huggingface.co/api/models")
        http.warning("Retrying in 1s [Retry 1/5].")
        http.warning("Rate limited. Waiting 300s before retry [Retry 2/5].")
        raise ConnectionError("refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_models", list_models)
    result = run("hub:o/base", "--out", tmp_path)
    fails(result, "the hub cannot be asked for o/base: refused")
    assert [record.getMessage()[:12] for record in caplog.records] == ["Rate limited"]
