"""The whole experiment in small, on rows made up here, and what it leaves behind."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from glue_folder import write_rte
from matplotlib.figure import Figure
from safetensors.torch import load_file
from tiny_base import SMALL, write_base
from transformers import BertConfig, BertModel
from typer.testing import CliRunner

from lora_lens import compare, conversion_similarity, load_adapter
from lora_lens.cli import app
from lora_lens.files import locate
from lora_lens.files.checksums import sha256
from lora_lens.files.locate import DEMO_BASE
from lora_lens.questions import question
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.page import results
from lora_lens.reproduction.page.results import write_results
from lora_lens.reproduction.page.written import figure_files, figures_of, table_files
from lora_lens.reproduction.runs import analysis, pipeline
from lora_lens.reproduction.runs.collect import collect
from lora_lens.training.run import train


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`reproduce smoke` as it comes, the base that it names in three narrow layers: the steps are what is asked for."""
    torch.manual_seed(0)
    model = BertModel(BertConfig(**SMALL | {"hidden_size": 32, "num_hidden_layers": 3}))
    folder = tmp_path_factory.mktemp("small")
    write_base(folder, model)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(locate, "_demo_folder", lambda: folder)
        yield folder


def reproduce(folder: Path, *more: str):
    return CliRunner().invoke(
        app,
        ["reproduce", "smoke", "--data", str(folder / "glue"), "--out", str(folder / "out"), "--cpu", *more],
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("reproduction")
    write_rte(folder / "glue", train=30)
    result = reproduce(folder)
    assert result.exit_code == 0, result.stderr
    return folder, result.stdout


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where steps and names are what is asked for, nothing is in the figures: they are most of a page's time."""
    monkeypatch.setattr(results, "sheet", lambda *_, **__: Figure())
    monkeypatch.setattr(question, "drawn", lambda *_: Figure())


def test_every_step_is_done_and_said(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    assert {path.name for path in (out / "searches").iterdir()} == {"rte-lora", "rte-condlora"}
    assert {path.name for path in (out / "runs").iterdir()} == {
        f"rte-{method}-{seed}" for method in ("lora", "condlora") for seed in (0, 1)
    }
    assert {path.name for path in (out / "longer").iterdir()} == {"rte-lora-0", "rte-condlora-0"}
    for name in (
        "table2",
        "longer",
        "table3-value",
        "table4",
        "conversions-value",
        "figure1-value",
    ):
        for ending in (".md", ".tex", ".csv"):
            assert (out / "tables" / (name + ending)).stat().st_size > 0
        assert (out / "tables" / f"{name}.md").read_text() in done[1]
    for name in (
        "scores",
        "figure1-similarity-value",
        "table3-compare-value",
        "table3-profile-value",
    ):
        for ending in (".png", ".svg"):
            assert (out / "figures" / (name + ending)).stat().st_size > 0


@pytest.mark.usefixtures("undrawn")
def test_the_page_holds_every_table(done: tuple[Path, str], tmp_path: Path) -> None:
    """And printing again, without data, does no step and changes nothing."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    page = (tmp_path / "out" / "results.md").read_text()
    for name in ("table2", "longer", "conversions", "figure1-value", "table3-value", "table4"):
        assert (tmp_path / "out" / "tables" / f"{name}.md").read_text().strip() in page
    assert "All 11 steps are done." in page
    shutil.rmtree(tmp_path / "out" / "runs" / "rte-lora-1")
    again = reproduce(tmp_path, "--print")
    assert again.exit_code == 0, again.stderr
    # Without the comparison, too, which is of that run.
    assert "9 of 11 steps are done" in (tmp_path / "out" / "results.md").read_text()
    assert not (tmp_path / "out" / "runs" / "rte-lora-1").exists()


def test_runs_take_the_rate_that_the_search_found(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    for method in ("lora", "condlora"):
        best = json.loads((out / "searches" / f"rte-{method}" / "search.json").read_text())["best"]
        for seed in (0, 1):
            folder = out / "runs" / f"rte-{method}-{seed}"
            run = json.loads((folder / "run.json").read_text())
            assert run["settings"]["learning_rate"] == best["learning_rate"]
            assert run["settings"]["seed"] == seed
            evaluation = json.loads((folder / "evaluation.json").read_text())
            if seed:  # seed 0 is the search's own, and a search does not look at the test rows
                assert evaluation["score"] == pytest.approx(run["test_score"], abs=1e-9)
            else:
                assert "test_score" not in run


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_a_run_of_a_trials_settings_is_the_trials_adapter(
    done: tuple[Path, str], tmp_path: Path, method: str
) -> None:
    """Bit for bit, with its logs; and training it again would have made the same one."""
    out = done[0] / "out"
    search = json.loads((out / "searches" / f"rte-{method}" / "search.json").read_text())
    trial = out / "searches" / f"rte-{method}" / "trials" / str(search["best"]["trial"])
    run = out / "runs" / f"rte-{method}-0"
    names = {path.name for path in trial.iterdir() if path.is_file()}
    assert {"adapter_config.json", "adapter_model.safetensors", "run.json"} <= names
    for name in names:
        assert (run / name).read_bytes() == (trial / name).read_bytes()
    assert list((run / "tensorboard").iterdir())
    config = replace(read_config("smoke"), data=str(done[0] / "glue"))
    rate = search["best"]["learning_rate"]
    train(config.settings("rte", method, learning_rate=rate), tmp_path / "again", use_cpu=True)
    one, other = (load_file(x / "adapter_model.safetensors") for x in (run, tmp_path / "again"))
    assert all((one[name] == other[name]).all() for name in one)
    again = json.loads((tmp_path / "again" / "run.json").read_text())
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["score"] == pytest.approx(again["test_score"], abs=1e-9)


def test_a_longer_run_differs_in_its_epochs_alone(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    rows = csv.DictReader((out / "tables" / "longer.csv").read_text().splitlines())
    for row in rows:
        name = f"rte-{row['method']}-0"
        short, longer = (
            json.loads((out / kind / name / "run.json").read_text()) for kind in ("runs", "longer")
        )
        assert longer["settings"] == short["settings"] | {"epochs": 4}
        assert float(row["development_score"]) == short["development_score"]
        assert float(row["longer_development_score"]) == longer["development_score"]
        answers = json.loads((out / "longer" / name / "answers.json").read_text())["answers"]
        assert len(answers) == longer["rows"]["test"]


@pytest.mark.usefixtures("undrawn")
def test_two_processes_share_an_experiment_by_method(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(done[0], tmp_path / "copy")
    out = tmp_path / "copy" / "out"
    analysis = (out / "analyses" / "rte-1" / "analysis.json").read_bytes()
    shutil.rmtree(out / "analyses")
    shutil.rmtree(out / "runs" / "rte-condlora-1")
    (out / "speed.json").unlink()
    comparison = (out / "pairs" / "rte.json").read_bytes()
    (out / "pairs" / "rte.json").unlink()
    one = reproduce(tmp_path / "copy", "--methods", "lora")
    assert one.exit_code == 0, one.stderr
    assert "waits for the other methods' runs: analysis rte, seed 1" in one.stderr
    assert "condlora" not in one.stderr
    assert {path.name for path in (out / "analyses").iterdir()} == {"rte-0"}
    assert "waits for the other methods' runs: comparison by rows, rte" in one.stderr
    other = reproduce(tmp_path / "copy", "--methods", "condlora")
    assert other.exit_code == 0, other.stderr
    assert "waits" not in other.stderr
    assert (out / "analyses" / "rte-1" / "analysis.json").read_bytes() == analysis
    assert (out / "pairs" / "rte.json").read_bytes() == comparison
    assert not (out / "speed.json").exists()  # it times both, and waits for the whole command
    wrong = reproduce(tmp_path / "copy", "--methods", "dora")
    assert wrong.exit_code == 1
    assert "no method 'dora'; it has: lora, condlora" in wrong.stderr


@pytest.mark.usefixtures("undrawn")
def test_json_is_the_tables_rows(done: tuple[Path, str]) -> None:
    result = reproduce(done[0], "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["name"], found["out"]) == ("smoke", str(done[0] / "out"))
    for name, rows in found["tables"].items():
        text = (done[0] / "out" / "tables" / f"{name}.csv").read_text()
        assert len(rows) == len(list(csv.DictReader(text.splitlines())))
    by_seed = {(row["method"], row["seed"]): row["score"] for row in found["tables"]["table2"]}
    evaluation = done[0] / "out" / "runs" / "rte-lora-1" / "evaluation.json"
    assert by_seed["lora", 1] == json.loads(evaluation.read_text())["score"]


@pytest.mark.usefixtures("undrawn")
def test_an_adapter_that_was_not_scored_yet(done: tuple[Path, str], tmp_path: Path) -> None:
    """Killed between training and evaluation: it is scored, and tidied up, unless its settings or its data are others now."""
    shutil.copytree(done[0], tmp_path / "copy")
    run = tmp_path / "copy" / "out" / "runs" / "rte-lora-1"
    score = (run / "evaluation.json").read_bytes()
    (run / "evaluation.json").unlink()
    (run / "checkpoints" / "checkpoint-4").mkdir(parents=True)
    (run / "unfinished.json").write_text("{}")
    assert reproduce(tmp_path / "copy").exit_code == 0
    assert (run / "evaluation.json").read_bytes() == score
    assert not (run / "checkpoints").exists()
    assert not (run / "unfinished.json").exists()
    (run / "evaluation.json").unlink()
    scored = tmp_path / "copy" / "glue" / "RTE" / "dev.tsv"
    rows = scored.read_text()
    scored.write_text(rows.replace("sleeps", "wakes"))
    refused = reproduce(tmp_path / "copy")
    assert refused.exit_code == 1
    assert (
        "rte-lora-1 was made with other data than it would be scored with now (dev.tsv)"
        in refused.stderr
    )
    assert not (run / "evaluation.json").exists()
    scored.write_text(rows)
    assert reproduce(tmp_path / "copy").exit_code == 0
    (run / "evaluation.json").unlink()
    record = (run / "run.json").read_text().replace('"max_length": 64', '"max_length": 32')
    (run / "run.json").write_text(record)
    refused = reproduce(tmp_path / "copy")
    assert refused.exit_code == 1
    assert "was made with max_length = 32, the configuration says 64" in refused.stderr


def test_tables_hold_what_the_records_hold(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    rows = list(csv.DictReader((out / "tables" / "table2.csv").read_text().splitlines()))
    assert len(rows) == 4
    for row in rows:
        folder = out / "runs" / f"rte-{row['method']}-{row['seed']}"
        assert float(row["score"]) == json.loads((folder / "evaluation.json").read_text())["score"]


def test_analyses_are_those_of_the_saved_adapters(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    written = json.loads((out / "analyses" / "rte-1" / "analysis.json").read_text())
    assert list(written) == ["format", "value"]
    record = written["value"]
    lora, cond = (
        load_adapter(out / "runs" / f"rte-{m}-1", DEMO_BASE) for m in ("lora", "condlora")
    )
    grid = conversion_similarity(lora, "value", draws=0)["B"]
    np.testing.assert_allclose(record["similarity"]["matrices"]["B"]["phi"], grid.values, atol=1e-9)
    series = compare(lora, cond, "value")["delta"]
    np.testing.assert_allclose(
        record["comparison"]["matrices"]["delta"]["phi"], series.values, atol=1e-9
    )
    assert record["similarity"]["adapter"] == "rte-lora-1"


@pytest.mark.usefixtures("undrawn")
def test_what_is_done_is_not_done_again(done: tuple[Path, str]) -> None:
    out = done[0] / "out"
    before = {path: path.read_bytes() for path in out.glob("runs/*/*.json")}
    again = reproduce(done[0])
    assert again.exit_code == 0, again.stderr
    assert again.stdout == done[1]
    assert again.stderr.count("done already") == 11
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.usefixtures("undrawn")
def test_tables_are_printed_again_without_data(done: tuple[Path, str], tmp_path: Path) -> None:
    """The comparison by rows is a record, too; where it is not made yet, the data are asked for."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    again = reproduce(tmp_path)
    assert again.exit_code == 0, again.stderr
    assert again.stdout == done[1]
    (tmp_path / "out" / "pairs" / "rte.json").unlink()
    refused = reproduce(tmp_path)
    assert refused.exit_code == 1
    assert "train.tsv" in refused.stderr.splitlines()[-1]
    for answers in (tmp_path / "out" / "runs").glob("*/answers.json"):
        answers.unlink()
    older = reproduce(tmp_path)
    assert older.exit_code == 0, older.stderr
    assert (
        "cannot be made, the runs' answers were not kept: comparison by rows, rte" in older.stderr
    )


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_is_missing_is_made_again_to_the_same_bits(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(done[0], tmp_path / "copy")
    lost = tmp_path / "copy" / "out" / "runs" / "rte-condlora-1"
    shutil.rmtree(lost)
    result = reproduce(tmp_path / "copy")
    assert result.exit_code == 0, result.stderr
    one, other = (
        load_file(folder / "adapter_model.safetensors")
        for folder in (done[0] / "out" / "runs" / "rte-condlora-1", lost)
    )
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.usefixtures("undrawn")
def test_an_analysis_of_other_adapters_is_not_taken_for_one_of_these(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    """Of runs that were made anew the tables went on being of those before, and the figures were of the new."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    out = tmp_path / "out"
    analysed = out / "analyses" / "rte-0" / "analysis.json"
    before = json.loads(analysed.read_text())
    one, other = (out / "runs" / f"rte-condlora-{k}" / "adapter_model.safetensors" for k in (0, 1))
    exchanged = one.read_bytes(), other.read_bytes()
    other.write_bytes(exchanged[0])
    one.write_bytes(exchanged[1])
    write_results(read_config("smoke"), out, from_records=True)
    text = (out / "results.md").read_text()
    assert "Next is: analysis rte, seed 0." in text
    assert "figures/figure1" not in text  # of the adapters before
    assert "figures/scores.png" in text
    result = reproduce(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "\nanalysis rte, seed 0" in f"\n{result.stderr}"
    after = json.loads(analysed.read_text())
    assert after["value"]["similarity"] == before["value"]["similarity"]  # of LoRA
    assert after["value"]["comparison"] != before["value"]["comparison"]
    assert "done already: analysis rte, seed 0" in reproduce(tmp_path).stderr


@pytest.mark.usefixtures("undrawn")
def test_an_analysis_of_another_w0_is_made_anew_and_said_to_be(
    done: tuple[Path, str], small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables went on being of the base that was, and the figures beside them were of the one that is."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    sums = tmp_path / "out" / "analyses" / "rte-0" / "adapters.json"
    had = json.loads(sums.read_text())
    assert had["base"] == {"model.safetensors": sha256(small / "model.safetensors")}
    edit(sums, base={"model.safetensors": "0" * 64})
    with monkeypatch.context() as patched:
        patched.setattr(analysis, "base_checksums", None)  # no base is opened
        assert reproduce(tmp_path, "--print").exit_code == 0
    result = reproduce(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert (
        f"not done any more, {DEMO_BASE} has other files of weights now: analysis rte, seed 0\nanalysis rte, seed 0"
        in result.stderr
    )
    assert "done already: analysis rte, seed 1" in result.stderr
    assert json.loads(sums.read_text()) == had


@pytest.mark.usefixtures("undrawn")
def test_runs_that_were_trained_on_another_commit_are_named_where_they_are_analysed(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    shutil.rmtree(tmp_path / "out" / "analyses" / "rte-0")
    for method, commit in (("lora", "1" * 40), ("condlora", "2" * 40)):
        edit(tmp_path / "out" / "runs" / f"rte-{method}-0" / "run.json", base_commit=commit)
    monkeypatch.setattr(pipeline, "opened", lambda _: SimpleNamespace(commit="2" * 40))
    said = reproduce(tmp_path).stderr
    assert (
        f"rte-lora-0 was trained on the commit {'1' * 12} of {DEMO_BASE}, and W0 is now that of {'2' * 12}: analysis rte, seed 0"
        in said
    )
    assert said.count("was trained on the commit") == 1


def test_every_file_of_tables_and_figures_is_known_by_its_name(done: tuple[Path, str]) -> None:
    """Others are never removed, and of these none is left behind."""
    config, out = read_config("smoke"), done[0] / "out"
    there = {path.name for path in (out / "figures").iterdir()}
    assert there == set(figures_of(config, collect(config, out), out)) == set(figure_files(config))
    assert {path.name for path in (out / "tables").iterdir()} < set(table_files(config))


@pytest.mark.usefixtures("undrawn")
def test_what_is_of_runs_that_are_there_no_more_is_removed(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    """The page went on showing their scores as a figure, and their tables were left."""
    out = tmp_path / "out"
    shutil.copytree(done[0] / "out", out)
    mine = [out / "tables" / "table2-mine.csv", out / "figures" / "figure1-mine.png"]
    for path in mine:
        path.touch()
    had = {path for name in ("tables", "figures") for path in (out / name).iterdir()}
    for name in ("runs", "longer"):
        shutil.rmtree(out / name)
    result = reproduce(tmp_path, "--print")
    assert result.exit_code == 0, result.stderr
    page = (out / "results.md").read_text()
    assert "figures/scores.png" not in page
    assert "figures/curves.png" not in page
    assert "figures/figure1-similarity-value.png" in page
    gone = {path.relative_to(out).as_posix() for path in had if not path.exists()}
    assert gone == {
        *(f"tables/{name}{end}" for name in ("table2", "longer") for end in (".csv", ".md", ".tex")),
        *(f"figures/{name}{end}" for name in ("scores", "curves") for end in (".png", ".svg")),
    }  # fmt: skip
    assert (
        "removed curves.png, curves.svg, scores.png, scores.svg, which an earlier result had and this one has not, from "
        f"{out / 'figures'}" in result.stderr
    )
    assert "removed" not in reproduce(tmp_path, "--print").stderr
    shutil.rmtree(out / "analyses")
    assert reproduce(tmp_path, "--print").exit_code == 0
    assert list((out / "figures").iterdir()) == mine[1:]


@pytest.mark.usefixtures("undrawn")
def test_what_was_drawn_of_an_analysis_before_is_not_left_beside_that_of_another(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    """As where an analysis was made anew and the command killed before it drew."""
    out = tmp_path / "out"
    shutil.copytree(done[0] / "out", out)
    had = {path.name for path in (out / "figures").iterdir()}
    record = out / "analyses" / "rte-0" / "analysis.json"
    changed = json.loads(record.read_text())
    changed["value"]["similarity"]["matrices"]["A"]["phi"][0][1] += 0.1
    record.write_text(json.dumps(changed))
    assert reproduce(tmp_path, "--print").exit_code == 0
    gone = had - {path.name for path in (out / "figures").iterdir()}
    of_figure1 = {name for name in had if name.startswith("figure1-")}
    assert gone == {name for name in of_figure1 if not name.endswith(".png")}
    page = (out / "results.md").read_text()
    assert "figures/figure1-similarity-value.png" in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("changed", ["scores", "draws"])
def test_a_comparison_that_is_to_be_made_anew_is_not_done(
    done: tuple[Path, str], tmp_path: Path, changed: str
) -> None:
    """The page said that all steps were done, of a seed that had come since, and of other draws than it was asked for."""
    out = tmp_path / "out"
    shutil.copytree(done[0] / "out", out)
    record = out / "pairs" / "rte.json"
    had = json.loads(record.read_text())
    of_one_seed = {name: score for name, score in had["scores"].items() if name.endswith("-0")}
    edit(record, **{changed: {"scores": of_one_seed, "draws": had["draws"] + 1}[changed]})
    assert reproduce(tmp_path, "--print").exit_code == 0
    page = (out / "results.md").read_text()
    assert "10 of 11 steps are done" in page
    assert "Next is: comparison by rows, rte." in page
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    assert "\ncomparison by rows, rte\n" in reproduce(tmp_path).stderr
    assert json.loads(record.read_text()) == had
    assert "All 11 steps are done." in (out / "results.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_is_printed_without_the_answers_that_it_is_of(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    """The page said beside it that it could not be made."""
    out = tmp_path / "out"
    shutil.copytree(done[0] / "out", out)
    for answers in (out / "runs").glob("*/answers.json"):
        answers.unlink()
    assert reproduce(tmp_path, "--print").exit_code == 0
    assert "All 11 steps are done." in (out / "results.md").read_text()
    assert "cannot be made" not in (out / "results.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_an_analysis_is_asked_once_whether_it_is_of_its_adapters(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hashes their weights."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    asked: list[Path] = []
    why_anew = analysis.why_anew
    monkeypatch.setattr(
        analysis, "why_anew", lambda *given: asked.append(given[0]) or why_anew(*given)
    )
    write_results(read_config("smoke"), tmp_path / "out", from_records=True)
    assert sorted(path.name for path in asked) == ["rte-0", "rte-1"]


@pytest.mark.usefixtures("undrawn")
def test_a_method_that_is_added_later(done: tuple[Path, str], tmp_path: Path) -> None:
    """It ended in KeyError, or its speed was left out."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    analysed = tmp_path / "out" / "analyses" / "rte-0" / "analysis.json"
    record = json.loads(analysed.read_text())
    del record["value"]["comparison"], record["value"]["shared"]["condlora"]
    analysed.write_text(json.dumps(record))
    (analysed.parent / "adapters.json").unlink()
    write_results(read_config("smoke"), tmp_path / "out", from_records=True)
    result = reproduce(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "comparison" in json.loads(analysed.read_text())["value"]
    speed = tmp_path / "out" / "speed.json"
    record = json.loads(speed.read_text())
    lora = {"lora": record["methods"]["lora"]}
    for changes, said in (
        ({"methods": lora}, "methods = lora, the configuration says lora, condlora; put that back, or remove"),
        ({"batch_size": 8}, "batch_size = 8, the configuration says 16"),
        ({"settings": record["settings"] | {"rank": 4}}, "rank = 4, the configuration says 8"),
    ):  # fmt: skip
        speed.write_text(json.dumps(record | changes))
        refused = reproduce(tmp_path)
        assert refused.exit_code == 1
        assert f"speed.json was made with {said}" in refused.stderr


@pytest.mark.usefixtures("undrawn")
def test_tables_of_what_is_finished(done: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(done[0] / "out", tmp_path / "out")
    (tmp_path / "glue").symlink_to(done[0] / "glue")
    shutil.rmtree(tmp_path / "out" / "runs" / "rte-lora-1")
    shutil.rmtree(tmp_path / "out" / "analyses")
    assert list(write_results(read_config("smoke"), tmp_path / "out")) == [
        "table2",
        "longer",
        "table4",
    ]
    rows = list(
        csv.DictReader((tmp_path / "out" / "tables" / "table2.csv").read_text().splitlines())
    )
    assert len(rows) == 3


def test_other_settings_do_not_go_into_one_folder(done: tuple[Path, str], tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("lora_lens.reproduction") / "configs" / "smoke.toml").read_text()
    (tmp_path / "smoke.toml").write_text(text.replace("max_length = 64", "max_length = 32"))
    result = CliRunner().invoke(
        app, ["reproduce", str(tmp_path / "smoke.toml"), "--data", str(done[0] / "glue"), "--out", str(done[0] / "out"), "--cpu"]
    )  # fmt: skip
    assert result.exit_code == 1
    assert "was made with max_length = 64, the configuration says 32" in result.stderr


def test_a_task_that_is_not_there(tmp_path: Path) -> None:
    write_rte(tmp_path / "glue")
    result = reproduce(tmp_path, "--tasks", "mrpc")
    assert result.exit_code == 1
    assert "no task 'mrpc'; it has: rte" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [["--data", "glue", "--cpu"], ["--print"]])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('sampler = "qmc"', 'sampler = "tpe"', "was made with search.sampler = 'qmc', the configuration"),
        ("draws = 20", "draws = 30", "was made with draws = 20, the configuration says 30; put"),
        ("shared_draws = 20", "shared_draws = 50", "was made with shared_draws = 20, the"),
        ("speed_steps = 5", "speed_steps = 6", "was made with speed_steps = 5, the configuration says 6; put"),
        ("speed_length = 32", "speed_length = 64", "was made with speed_length = 32, the configuration says 64"),
        ("[search]", "[search]\nprune = false", "was made with search.prune = True, the configuration says False"),
        ("trials = 2", "trials = 50", "was made with trials = 2, the configuration says 50"),
        ("max_length = 64", "max_length = 32", "was made with max_length = 64, the configuration says 32"),
        ("[analysis]", '[analysis]\nmodules = ["query"]', "has no 'query', which the configuration's"),
    ],
)  # fmt: skip
def test_what_was_made_otherwise_is_refused(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str, more: list[str]
) -> None:  # fmt: skip
    """The page would say of it what the configuration says now."""
    shutil.copytree(done[0] / "out", tmp_path / "out")
    text = files("lora_lens.reproduction").joinpath("configs", "smoke.toml").read_text()
    lines = [new if line == old else line for line in text.splitlines()]
    assert new in lines
    (tmp_path / "changed.toml").write_text("\n".join(lines))
    monkeypatch.chdir(done[0])
    asked = ["--out", str(tmp_path / "out"), *more]
    result = CliRunner().invoke(app, ["reproduce", str(tmp_path / "changed.toml"), *asked])
    assert result.exit_code == 1
    assert said in result.stderr
    assert (tmp_path / "out" / "results.md").read_text() == (
        done[0] / "out" / "results.md"
    ).read_text()


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("without", "other", "first"),
    [
        ((), "runs/rte-lora-1", "runs/rte-lora-0"),
        (("runs/rte-lora-0",), "runs/rte-condlora-0", "runs/rte-lora-1"),
        ((), "longer/rte-lora-0", "runs/rte-lora-0"),
    ],
)
def test_runs_of_other_rows_are_not_taken_together(
    done: tuple[Path, str], tmp_path: Path, without: tuple[str, ...], other: str, first: str
) -> None:
    """Some may be from before checksums were kept."""
    out = tmp_path / "out"
    shutil.copytree(done[0] / "out", out)
    for run in without:
        edit(out / run / "run.json", data_sha256={})
    edit(out / other / "run.json", data_sha256={"train.tsv": "0" * 64})
    result = reproduce(tmp_path, "--print")
    assert result.exit_code == 1
    assert f"{out / first} and {out / other} are of two different files train.tsv" in result.stderr


@pytest.mark.usefixtures("undrawn")
def test_a_search_from_before_pruning_was_written_down(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(done[0] / "out", tmp_path / "out")
    for path in (tmp_path / "out" / "searches").glob("*/search.json"):
        record = json.loads(path.read_text())
        assert record["settings"]["space"].pop("prune") is True
        path.write_text(json.dumps(record))
    assert reproduce(tmp_path, "--print").exit_code == 0


@pytest.mark.usefixtures("undrawn")
def test_runs_are_printed_without_their_search(done: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(done[0] / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "searches")
    result = reproduce(tmp_path, "--print")
    assert result.exit_code == 0, result.stderr
