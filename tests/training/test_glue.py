from pathlib import Path

import datasets
import numpy as np
import pytest
from confusion import slow_matthews
from glue_folder import write_rte

from lora_lens.errors import DataError
from lora_lens.training.glue import (
    TASKS,
    Example,
    accuracy,
    load_task,
    majority_score,
    matthews,
    pearson,
)


def test_the_papers_split(tmp_path: Path) -> None:
    splits = load_task("rte", write_rte(tmp_path))
    assert (len(splits.train), len(splits.development), len(splits.test)) == (54, 6, 20)
    assert not set(splits.checksums) - {"train.tsv", "dev.tsv"}
    again = load_task("rte", tmp_path)
    assert again.development == splits.development
    assert '"here' in splits.train[0].first  # quotes are text, not field quoting


def test_marks_line_ends_and_missing_headers(tmp_path: Path) -> None:
    for folder, text in (
        ("MRPC", "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tone\tother\r\n"),
        ("CoLA", "gj04\t1\t\tFirst sentence.\nbc01\t0\t*\tSecond one."),
        ("STS-B", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.800\n"),
    ):
        (tmp_path / folder).mkdir()
        for part in ("train", "dev"):
            (tmp_path / folder / f"{part}.tsv").write_text(text, newline="")
    assert load_task("mrpc", tmp_path).test == [Example("one", "other", 1)]
    assert load_task("cola", tmp_path).test == [
        Example("First sentence.", None, 1),
        Example("Second one.", None, 0),
    ]
    assert load_task("stsb", tmp_path).test == [Example("a", "b", 3.8)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index\tsentence1\tlabel\n", r"no column 'sentence2'; it has: index, sentence1, label"),
        ("index\tsentence1\tsentence2\tlabel\n", "holds no rows"),
        ("", "no column"),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\ta\tb\n",
            r"dev.tsv, row 3: 3 cells, expected 4",
        ),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tperhaps\n",
            r"row 2: the label is 'perhaps', expected one of",
        ),
    ],
)
def test_bad_files_name_the_row(tmp_path: Path, text: str, message: str) -> None:
    write_rte(tmp_path)
    (tmp_path / "RTE" / "dev.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_task("rte", tmp_path)


def test_missing_files_and_tasks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"RTE/train.tsv cannot be read"):
        load_task("rte", tmp_path)
    with pytest.raises(DataError, match="there are: sst2, mrpc"):
        load_task("chess", tmp_path)


def test_scores_that_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "STS-B").mkdir()
    for part in ("train", "dev"):
        (tmp_path / "STS-B" / f"{part}.tsv").write_text("sentence1\tsentence2\tscore\na\tb\thigh\n")
    with pytest.raises(DataError, match="row 2: the score is 'high'"):
        load_task("stsb", tmp_path)


def test_metrics_against_their_definitions() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    assert accuracy(logits, labels) == np.mean(
        [row.argmax() == label for row, label in zip(logits, labels, strict=True)]
    )
    assert matthews(logits, labels) == pytest.approx(slow_matthews(logits.argmax(1), labels))
    scores, truth = rng.standard_normal((50, 1)), rng.standard_normal(50)
    assert pearson(scores, truth) == pytest.approx(np.corrcoef(scores[:, 0], truth)[0, 1])
    assert pearson(np.ones((50, 1)), truth) == matthews(np.tile([0.0, 1.0], (50, 1)), labels) == 0


def test_majority_is_learned_on_train_and_scored_on_test(tmp_path: Path) -> None:
    splits = load_task("rte", write_rte(tmp_path))
    share = np.mean([example.label == 1 for example in splits.test])
    assert majority_score(TASKS["rte"], splits) == pytest.approx(share)


def test_the_hubs_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nyu-mll/glue` as its cards describe it, made here: no test reaches the hub."""
    asked: list[tuple[str, str]] = []

    def load_dataset(name: str, task: str) -> datasets.DatasetDict:
        asked.append((name, task))
        columns = {
            "mrpc": {"sentence1": ["a"] * 20, "sentence2": ["b"] * 20, "label": [1] * 20},
            "sst2": {"sentence": ["a"] * 20, "label": [0] * 20},
            "stsb": {"sentence1": ["a"] * 20, "sentence2": ["b"] * 20, "label": [2.5] * 20},
        }[task]
        part = datasets.Dataset.from_dict(columns | {"idx": list(range(20))})
        return datasets.DatasetDict(train=part, validation=part, test=part)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_task("mrpc", None).test[0] == Example("a", "b", 1)
    assert load_task("sst2", None).test[0] == Example("a", None, 0)
    splits = load_task("stsb", None)
    assert splits.test[0] == Example("a", "b", 2.5)
    assert (len(splits.train), len(splits.development), len(splits.test)) == (18, 2, 20)
    assert asked == [("nyu-mll/glue", task) for task in ("mrpc", "sst2", "stsb")]


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, task: str) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"no route\); pass --data with a GLUE folder"):
        load_task("rte", None)
