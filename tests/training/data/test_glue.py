import hashlib
from pathlib import Path

import datasets
import numpy as np
import pytest
from glue_folder import write_rte

from lora_lens.errors import DataError
from lora_lens.training.data import (
    TASKS,
    majority_score,
    open_data,
    paper_learning_rate,
)
from lora_lens.training.data.glue import load_task
from lora_lens.training.data.rows import Example

# GLUE's own header lines (CoLA has none), one row, and what is read from it.
LAYOUTS = {
    "cola": (None, "gj04\t1\t\tFirst one.", Example("First one.", None, 1)),
    "sst2": ("sentence\tlabel", "a fine film \t1", Example("a fine film ", None, 1)),
    "mrpc": (
        "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t7\t8\tone\tother",
        Example("one", "other", 0),
    ),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tg\tf\t2012\t1\tnone\tnone\ta\tb\t3.800", Example("a", "b", 3.8),
    ),
    "mnli": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse"
        "\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
        "0\t31\t31n\tg\t( a )\t( b )\t(a)\t(b)\ta\tb\tneutral\tcontradiction", Example("a", "b", 2),
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel", "0\twhy?\tbecause.\tnot_entailment",
        Example("why?", "because.", 1),
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "5\t6\t7\twhy?\twhat?\t1",
        Example("why?", "what?", 1),
    ),
    "rte": ("index\tsentence1\tsentence2\tlabel", "0\ta\tb\tentailment", Example("a", "b", 0)),
    "wnli": ("index\tsentence1\tsentence2\tlabel", "0\ta\tb\t1", Example("a", "b", 1)),
}  # fmt: skip
MNLI_DEV = LAYOUTS["mnli"][0].replace("\tgold", "\tlabel2\tlabel3\tlabel4\tlabel5\tgold")


def write(folder: Path, task: str, part: str, *rows: str, header: str | None = None) -> Path:
    path = folder / TASKS[task].folder / f"{part}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = header or LAYOUTS[task][0]
    path.write_text("".join(f"{row}\n" for row in ((header,) if header else ()) + rows))
    return path


def test_the_nine_tasks_as_the_paper_has_them() -> None:
    assert list(TASKS) == [
        "mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb", "wnli",
    ]  # fmt: skip
    run = [task for task in TASKS.values() if task.name != "wnli"]
    # Table 2's row of differences. (Its column of averages is not the mean of its own columns.)
    gains = [round(task.paper_scores[1] - task.paper_scores[0], 1) for task in run]
    assert gains == [-0.1, 0.1, 0.4, -0.1, -0.2, -0.4, -0.1, 1.0]
    assert {task.name for task in TASKS.values() if task.epochs == 50} == {"mnli", "qqp"}
    assert {task.epochs for task in TASKS.values()} == {50, 100}
    for task in run:  # the space that the paper searched
        for method in ("lora", "condlora"):
            assert 5e-5 < paper_learning_rate(task.name, method) < 5e-3
    assert paper_learning_rate("mnli", "lora") == 7.58e-4
    assert paper_learning_rate("stsb", "condlora") == 1.65e-4


@pytest.mark.parametrize("task", ["wnli", "my-own"])
def test_tasks_that_the_paper_did_not_run_need_a_learning_rate(task: str) -> None:
    with pytest.raises(DataError, match=rf"no learning rate for task '{task}'; pass one with --lr"):
        paper_learning_rate(task, "lora")


@pytest.mark.parametrize("task", sorted(set(LAYOUTS) - {"mnli"}))
def test_each_tasks_own_layout(tmp_path: Path, task: str) -> None:
    _, row, example = LAYOUTS[task]
    files = {part: write(tmp_path, task, part, *[row] * 10) for part in ("train", "dev")}
    opened, splits = open_data(task, str(tmp_path), None)
    assert opened is TASKS[task]
    assert splits.train == [example] * 9
    assert splits.development == [example]
    assert splits.test == [example] * 10
    assert splits.checksums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values()
    }
    assert splits.left_out == ()


def test_mnli_is_tested_on_both_development_sets(tmp_path: Path) -> None:
    write(tmp_path, "mnli", "train", *[LAYOUTS["mnli"][1]] * 10)
    row = "0\t3\t3n\tg\t( a )\t( b )\t(a)\t(b)\t{}\tb\tneutral\tneutral\tneutral\tneutral\tneutral\t{}"
    write(
        tmp_path, "mnli", "dev_matched", row.format("m", "entailment"), row.format("m", "neutral"),
        header=MNLI_DEV,
    )  # fmt: skip
    write(tmp_path, "mnli", "dev_mismatched", row.format("mm", "contradiction"), header=MNLI_DEV)
    splits = open_data("mnli", str(tmp_path), None)[1]
    assert splits.train == [LAYOUTS["mnli"][2]] * 9
    assert splits.test == [Example("m", "b", 0), Example("m", "b", 1), Example("mm", "b", 2)]
    assert set(splits.checksums) == {"train.tsv", "dev_matched.tsv", "dev_mismatched.tsv"}
    write(tmp_path, "mnli", "dev_mismatched", row.format("mm", "-"), header=MNLI_DEV)
    with pytest.raises(DataError, match=r"mismatched.tsv, row 2: the label is '-'"):
        open_data("mnli", str(tmp_path), None)
    (tmp_path / "MNLI" / "dev_mismatched.tsv").unlink()
    with pytest.raises(DataError, match=r"dev_mismatched.tsv cannot be read: No such file"):
        open_data("mnli", str(tmp_path), None)


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
        ("CoLA", "gj04\t1\t\tFirst\rsentence\u2028.\nbc01\t0\t*\tSecond one."),
        ("STS-B", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.800\n\n\n"),
    ):
        name = next(task.name for task in TASKS.values() if task.folder == folder)
        write(tmp_path, name, "train", *[LAYOUTS[name][1]] * 10)
        (tmp_path / folder / "dev.tsv").write_text(text, newline="")
    assert load_task("mrpc", tmp_path).test == [Example("one", "other", 1)]
    assert load_task("cola", tmp_path).test == [
        Example("First\rsentence\u2028.", None, 1),  # only \n ends a line
        Example("Second one.", None, 0),
    ]
    assert load_task("stsb", tmp_path).test == [Example("a", "b", 3.8)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index\tsentence1\tlabel\n", r"no column 'sentence2'; it has: index, sentence1, label"),
        ("index\tsentence1\tsentence2\tlabel\n", r"dev.tsv holds no rows"),
        ("", r"dev.tsv is empty"),
        ("label\tsentence1\tsentence2\tlabel\n", r"dev.tsv has two columns 'label'"),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\ta\tb\n",
            r"dev.tsv, row 3: 3 cells, expected 4",
        ),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n\n1\ta\tb\tentailment\n",
            r"dev.tsv, row 3: 1 cells, expected 4",
        ),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tperhaps\n",
            r"row 2: the label is 'perhaps', expected one of entailment, not_entailment",
        ),
    ],
)
def test_bad_files_name_the_row(tmp_path: Path, text: str, message: str) -> None:
    write_rte(tmp_path)
    (tmp_path / "RTE" / "dev.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_task("rte", tmp_path)


def test_too_few_rows_for_a_development_set(tmp_path: Path) -> None:
    write_rte(tmp_path, train=3)
    with pytest.raises(
        DataError, match=r"RTE/train.tsv has 3 rows, too few to hold out 10 %; GLUE's own has"
    ):
        load_task("rte", tmp_path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    write_rte(tmp_path)
    path = tmp_path / "RTE" / "train.tsv"
    path.write_bytes(path.read_bytes() + "99\tcafé\tb\tentailment\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"train.tsv, row 62: byte 0xe9 is not UTF-8"):
        load_task("rte", tmp_path)


def test_missing_files_and_tasks(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"has no folder RTE; expected GLUE.s own files there \(train.tsv, dev.tsv\)",
    ):
        load_task("rte", tmp_path)
    with pytest.raises(DataError, match="there are: mnli, sst2, mrpc"):
        load_task("chess", tmp_path)


@pytest.mark.parametrize("score", ["high", "nan", "inf", ""])
def test_scores_that_are_no_numbers(tmp_path: Path, score: str) -> None:
    for part in ("train", "dev"):
        write(tmp_path, "stsb", part, f"a\tb\t{score}", header="sentence1\tsentence2\tscore")
    with pytest.raises(DataError, match=f"train.tsv, row 2: the score is '{score}'"):
        load_task("stsb", tmp_path)


def test_rows_of_qqp_that_glue_broke_in_two(tmp_path: Path) -> None:
    _, row, example = LAYOUTS["qqp"]
    broken = ("1\t2\t3\thow?\t", "\tand why?\t0")
    write(tmp_path, "qqp", "train", *[row] * 1500, *broken, *[row] * 500)
    write(tmp_path, "qqp", "dev", row)
    splits = load_task("qqp", tmp_path)
    assert splits.left_out == ("train.tsv, row 1502", "train.tsv, row 1503")
    assert splits.train + splits.development == [example] * 2000
    write(tmp_path, "qqp", "train", *[row] * 1500, *broken)  # more than one in a thousand
    with pytest.raises(
        DataError, match=r"train.tsv, row 1502: fewer than 6 cells, and so in 2 row"
    ):
        load_task("qqp", tmp_path)
    write(tmp_path, "qqp", "train", *[row] * 1500, row + "\tmore")
    with pytest.raises(DataError, match=r"train.tsv, row 1502: 7 cells, expected 6"):
        load_task("qqp", tmp_path)


def test_no_other_task_leaves_rows_out(tmp_path: Path) -> None:
    write(tmp_path, "qnli", "train", *[LAYOUTS["qnli"][1]] * 2000, "1\twhy?\tbecause.")
    with pytest.raises(DataError, match=r"train.tsv, row 2002: 3 cells, expected 4"):
        load_task("qnli", tmp_path)


def test_majority_is_learned_on_train_and_scored_on_test(tmp_path: Path) -> None:
    splits = load_task("rte", write_rte(tmp_path))
    share = np.mean([example.label == 1 for example in splits.test])
    assert majority_score(TASKS["rte"], splits.train, splits.test) == pytest.approx(share)


# Text columns and class names that nyu-mll/glue declares.
HUB = {
    "mnli": (("premise", "hypothesis"), ["entailment", "neutral", "contradiction"]),
    "sst2": (("sentence",), ["negative", "positive"]),
    "mrpc": (("sentence1", "sentence2"), ["not_equivalent", "equivalent"]),
    "cola": (("sentence",), ["unacceptable", "acceptable"]),
    "qnli": (("question", "sentence"), ["entailment", "not_entailment"]),
    "qqp": (("question1", "question2"), ["not_duplicate", "duplicate"]),
    "rte": (("sentence1", "sentence2"), ["entailment", "not_entailment"]),
    "wnli": (("sentence1", "sentence2"), ["not_entailment", "entailment"]),
    "stsb": (("sentence1", "sentence2"), None),
}


def fake_hub(
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    labels: list[float | None],
    names: list[str] | None,
    text: str | None = "a",
) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []
    columns = HUB[task][0]
    features = {column: datasets.Value("string") for column in columns} | {
        "label": datasets.ClassLabel(names=names) if names else datasets.Value("float32"),
        "idx": datasets.Value("int32"),
    }

    def part(word: str) -> datasets.Dataset:
        rows = {column: [text and word + text] * len(labels) for column in columns}
        return datasets.Dataset.from_dict(
            rows | {"label": labels, "idx": list(range(len(labels)))},
            features=datasets.Features(features),
        )

    def load_dataset(name: str, config: str) -> datasets.DatasetDict:
        asked.append((name, config))
        ends = ("_matched", "_mismatched") if config == "mnli" else ("",)
        parts = {f"validation{end}": part(f"v{end}-") for end in ends}
        return datasets.DatasetDict(train=part("t-"), test=part("x-"), **parts)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


@pytest.mark.parametrize("task", sorted(HUB))
def test_the_hubs_layout(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    """`nyu-mll/glue` as its cards describe it, made here: no test reaches the hub."""
    columns, names = HUB[task]
    labels = list(range(len(names))) if names else [2.5, 0.5]
    asked = fake_hub(monkeypatch, task, labels * 10, names)
    opened, splits = open_data(task, None, None)
    assert asked == [("nyu-mll/glue", task)]
    ends = ("_matched", "_mismatched") if task == "mnli" else ("",)
    assert splits.test == [
        Example(f"v{end}-a", f"v{end}-a" if len(columns) > 1 else None, label)
        for end in ends
        for label in labels * 10
    ]
    assert len(splits.train) == 9 * len(labels)
    assert len(splits.development) == len(labels)
    assert set(splits.checksums) == {"train", *(f"validation{end}" for end in ends)}
    assert all(splits.checksums.values())
    assert (opened.labels is None) == (names is None)


def test_the_hubs_label_numbers_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another order on the hub does not turn the labels round."""
    fake_hub(monkeypatch, "mnli", [0, 1, 2] * 4, ["contradiction", "entailment", "neutral"])
    assert [row.label for row in load_task("mnli", None).test[:3]] == [2, 0, 1]
    fake_hub(monkeypatch, "sst2", [0, 1] * 5, ["positive", "negative"])
    assert [row.label for row in load_task("sst2", None).test[:2]] == [1, 0]
    fake_hub(monkeypatch, "sst2", [0, 1], ["bad", "good"])
    with pytest.raises(DataError, match=r"#train, row 0: the label is 'bad', expected one of neg"):
        load_task("sst2", None)


def test_hub_rows_that_lack_something(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, "rte", [0, -1], HUB["rte"][1])
    with pytest.raises(DataError, match=r"nyu-mll/glue:rte#train, row 1: .* the label is missing"):
        load_task("rte", None)
    fake_hub(monkeypatch, "rte", [0, 1], HUB["rte"][1], text=None)
    with pytest.raises(DataError, match=r"row 0: a sentence or the label is missing"):
        load_task("rte", None)
    monkeypatch.setitem(HUB, "qnli", (("question", "answer"), HUB["qnli"][1]))
    fake_hub(monkeypatch, "qnli", [0], HUB["qnli"][1])
    with pytest.raises(DataError, match=r"#train has no column 'sentence'; it has: question, answ"):
        load_task("qnli", None)


def test_hub_labels_without_names_are_as_in_glues_files(monkeypatch: pytest.MonkeyPatch) -> None:
    part = datasets.Dataset.from_dict(
        {"sentence1": ["a"] * 20, "sentence2": ["b"] * 20, "label": [1] * 20}
    )
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *_: datasets.DatasetDict(train=part, validation=part)
    )
    assert load_task("mrpc", None).test[0] == Example("a", "b", 1)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, task: str) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"no route\); pass --data with a GLUE folder"):
        load_task("rte", None)
