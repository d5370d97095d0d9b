import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from lora_lens.errors import DataError
from lora_lens.training.data import OwnData, open_data
from lora_lens.training.data.rows import Example, Splits, hold_out
from lora_lens.training.data.tasks import Task

ROWS = [("good film", "pos"), ("bad film", "neg"), ('so "so"', "mid"), ("one, two\nlines", "pos")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files are named relative to it, as on a command line; reaching the hub fails the test."""

    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail(f"the hub was asked for {arguments}")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path: str, rows: list[tuple[str, ...]], header: tuple[str, ...]) -> str:
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def load(train: str, test: str | None = None, **changes: Any) -> tuple[Task, Splits]:
    options: dict[str, Any] = {"text": ("text",), "label": "label"}
    own = OwnData(train=train, test=test or train, **(options | changes))
    return open_data("films", None, own)


def test_csv_with_quotes_commas_and_line_ends_in_cells(folder: Path) -> None:
    train = write_csv("train.csv", ROWS * 10, ("text", "label"))
    test = write_csv("test.csv", ROWS, ("text", "label"))
    task, splits = load(train, test)
    assert (task.name, task.labels, task.metric.__name__) == (
        "films",
        ("mid", "neg", "pos"),
        "accuracy",
    )
    assert (task.learning_rates, task.paper_scores, task.epochs) == (None, None, 100)
    expected = [Example(text, None, ("mid", "neg", "pos").index(label)) for text, label in ROWS]
    assert splits.test == expected
    assert (splits.train, splits.development) == hold_out(expected * 10, train, "")
    assert splits.checksums == {
        name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in (train, test)
    }


def test_a_development_file_leaves_train_whole(folder: Path) -> None:
    header = ("id", "first", "second", "label")
    rows = [(str(index), f"a{index}", "b", str(index % 2)) for index in range(8)]
    train, test, development = (
        write_csv(f"{part}.csv", rows[:count], header)
        for part, count in (("train", 8), ("test", 3), ("development", 2))
    )
    task, splits = load(train, test, development=development, text=("first", "second"))
    assert task.labels == ("0", "1")
    assert splits.train == [Example(f"a{index}", "b", index % 2) for index in range(8)]
    assert splits.development == splits.train[:2]
    assert splits.test == splits.train[:3]
    assert set(splits.checksums) == {train, test, development}


def test_tsv_takes_quotes_as_text(folder: Path) -> None:
    Path("t.tsv").write_text("\ufefflabel\ttext\n" + '1\t"he said\n0\tit" was\n' * 5)
    task, splits = load("t.tsv")
    assert task.labels == ("0", "1")
    assert splits.test[:2] == [Example('"he said', None, 1), Example('it" was', None, 0)]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "JSONL"])
def test_json_lines(folder: Path, suffix: str) -> None:
    rows = [
        {"text": "日本\n", "label": 2, "more": [1]},
        {"text": "", "label": 10},
        {"text": "c", "label": 1.0},
    ]
    Path(f"t.{suffix}").write_text("".join(json.dumps(row) + "\n" for row in rows * 4))
    task, splits = load(f"t.{suffix}")
    assert task.labels == ("1", "2", "10")  # by number, not by the alphabet
    assert splits.test[:3] == [
        Example("日本\n", None, 1),
        Example("", None, 2),
        Example("c", None, 0),
    ]


def test_one_class_has_one_name_in_json_and_csv(folder: Path) -> None:
    Path("t.jsonl").write_text('{"text": "a", "label": true}\n{"text": "b", "label": false}\n' * 5)
    test = write_csv("t.csv", [("a", "true"), ("b", "false")], ("text", "label"))
    task, splits = load("t.jsonl", test)
    assert task.labels == ("false", "true")
    assert [row.label for row in splits.test] == [1, 0]


def test_regression(folder: Path) -> None:
    rows = [(f"a{index}", f"{index / 4}") for index in range(12)]
    task, splits = load(write_csv("t.csv", rows, ("text", "label")), regression=True)
    assert (task.labels, task.metric.__name__) == (None, "pearson")
    assert [row.label for row in splits.test] == [index / 4 for index in range(12)]
    assert all(isinstance(row.label, float) for row in splits.train)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "matthews"])
def test_the_metric_asked_for(folder: Path, metric: str) -> None:
    train = write_csv("t.csv", ROWS[:2] * 10, ("text", "label"))
    task, _ = load(train, metric=metric)
    assert task.metric.__name__ == metric


def test_options_that_do_not_fit(folder: Path) -> None:
    train = write_csv("t.csv", ROWS * 10, ("text", "label"))
    for changes, message in (
        (
            {"metric": "pearson"},
            "--metric pearson is not for a classification; there are: accuracy",
        ),
        (
            {"metric": "f1", "regression": True},
            "--metric f1 is not for a regression; there are: pear",
        ),
        ({"metric": "bleu"}, "--metric bleu is not for a classification"),
        ({"metric": "f1"}, r"f1 is for two classes; t.csv has 3"),
        ({"text": ()}, "--text names 0 columns, expected one or two"),
        ({"text": ("a", "b", "c")}, "--text names 3 columns"),
        ({"text": ("text", "text")}, "name one column twice: text, text, label"),
        ({"text": ("label",)}, "name one column twice: label, label"),
    ):
        with pytest.raises(DataError, match=message):
            load(train, **changes)
    own = OwnData(train=train, test=train, text=("text",), label="label")
    with pytest.raises(DataError, match="'mrpc' is GLUE's; give your own data another name"):
        open_data("mrpc", None, own)
    with pytest.raises(DataError, match="--data glue is for GLUE"):
        open_data("films", "glue", own)


GOOD_CSV = "text,label\na,0\nb,1\n" + "c,1\n" * 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "t.csv is empty; expected a row of column names"),
        ("t.csv", "text,label\n", "t.csv holds no rows"),
        ("t.csv", "text,other\na,0\n", "t.csv has no column 'label'; it has: text, other"),
        ("t.csv", "text;label\na;0\n", "t.csv has no column 'text'; it has: text;label"),
        ("t.csv", "text,label,text\na,0,b\n", "t.csv has two columns 'text'; rename one"),
        ("t.csv", "text,label\na,0\nb\n", "t.csv, row 3: 1 cells, expected 2"),
        ("t.csv", "text,label\n\"a\nb\",0\nc,1,2\n", "t.csv, row 4: 3 cells, expected 2"),
        ("t.csv", "text,label\na,0\n\nb,1\n", "t.csv, row 3: 0 cells, expected 2"),
        ("t.csv", "text,label\n,0\n", "t.csv, row 2: 'text' is empty"),
        ("t.csv", "text,label\na,\n", "t.csv, row 2: 'label' is empty"),
        ("t.csv", GOOD_CSV + "d,NaN\n", "t.csv, row 14: the label is 'NaN', as data frames write"),
        ("t.jsonl", '{"text": "a", "label": "nan"}\n', "t.jsonl, row 1: the label is 'nan', as data"),
        ("t.csv", "text,label\na,0\n\"b,1\nc,1\n", "t.csv, row 3: unexpected end of data; double"),
        ("t.csv", "text,label\n\"a\"b,0\n", "t.csv, row 2: .* double the quotes"),
        ("t.csv", "text,label\n" + "a" * 200_000 + ",0\n", "t.csv, row 2: field larger .* as .jsonl"),
        ("t.csv", GOOD_CSV.replace("\n", "\r"), r"t.csv, row 1: a lone \\r; save the file with \\n line"),
        ("t.csv", GOOD_CSV + "d,2\n", None),
        ("t.csv", "text,label\n" + "a,0\n" * 20, "t.csv: every label is '0', expected two classes"),
        ("t.csv", "text,label\na,0\nb,1\n", "t.csv has 2 rows, too few to hold out 10 %; pass --dev"),
        ("t.tsv", "text\tlabel\na\t0\t\n", "t.tsv, row 2: 3 cells, expected 2"),
        ("t.tsv", b"text\tlabel\n\xff\t0\n", "t.tsv, row 2: byte 0xff is not UTF-8"),
        ("t.csv", "text,label\na,0\n".encode("utf-16"), "t.csv, row 1: byte 0xff is not UTF-8"),
        ("t.jsonl", "", "t.jsonl holds no rows"),
        ("t.jsonl", "{\n", "t.jsonl, row 1: expected one JSON object a line"),
        ("t.jsonl", "[1]\n", "t.jsonl, row 1: expected one JSON object a line, not list"),
        ("t.jsonl", '{"text": "a", "labels": 0}\n', "row 1 has no 'label'; it has: text, labels"),
        ("t.jsonl", '{"text": "a", "label": 0, "text": "b"}\n', "row 1: a name occurs twice"),
        ("t.jsonl", '{"text": null, "label": 0}\n', "t.jsonl, row 1: 'text' is empty"),
        ("t.jsonl", '{"text": NaN, "label": 0}\n', "t.jsonl, row 1: 'text' is empty"),
        ("t.jsonl", '{"text": "a", "label": NaN}\n', "t.jsonl, row 1: 'label' is empty"),
        ("t.jsonl", '{"text": 5, "label": 0}\n', "t.jsonl, row 1: 'text' is 5, expected text"),
        ("t.jsonl", '{"text": "\\ud83d", "label": 0}\n', "row 1: 'text' has half a surrogate pair"),
        ("t.jsonl", '{"text": "a", "label": 0.5}\n', "row 1: the label is 0.5, .* pass --regression"),
        ("t.jsonl", '{"text": "a", "label": [0]}\n', r"row 1: the label is \[0\], expected text"),
        ("t.txt", "a", "t.txt is no data file .* and no hub data set"),
    ],
)  # fmt: skip
def test_bad_files_name_the_row(
    folder: Path, name: str, content: str | bytes, message: str | None
) -> None:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    if message is None:
        assert load(name)[0].labels == ("0", "1", "2")
        return
    with pytest.raises(DataError, match=message) as raised:
        load(name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("part", ["test", "development"])
def test_labels_that_train_does_not_have(folder: Path, part: str) -> None:
    train = write_csv("train.csv", ROWS * 10, ("text", "label"))
    other = write_csv("other.csv", [("a", "pos"), ("b", "new")], ("text", "label"))
    with pytest.raises(
        DataError, match=r"other.csv, row 3: the label is 'new', expected one of mid, n"
    ):
        load(train, **({"test": train} | {part: other}))


def test_many_labels_are_not_all_listed(folder: Path) -> None:
    train = write_csv("train.csv", [("a", f"{index}") for index in range(50)], ("text", "label"))
    test = write_csv("test.csv", [("a", "50")], ("text", "label"))
    with pytest.raises(DataError, match=r"expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …$"):
        load(train, test)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            ("0.0", "2.5"),
            "t.csv: labels are numbers, and 2.5 is no integer; for scores pass --regression",
        ),
        (("1", " 1"), "t.csv: the labels ' 1' and '1' differ by spaces alone"),
        (("0", "1", "1.0"), "t.csv: the labels '1' and '1.0' are one number; spell it one way"),
        (("0", "-0", "1"), "t.csv: the labels '-0' and '0' are one number"),
        (("10", "2", "1e1"), "t.csv: the labels '10' and '1e1' are one number"),
    ],
)
def test_labels_that_are_no_classes(folder: Path, labels: tuple[str, ...], said: str) -> None:
    rows = [("a", label) for label in labels * 12]
    with pytest.raises(DataError, match=said):
        load(write_csv("t.csv", rows, ("text", "label")))


def test_numbers_that_float64_does_not_tell_apart_are_two_classes(folder: Path) -> None:
    names = (str(2**53), str(2**53 + 1))
    train = write_csv("t.csv", [("a", name) for name in names * 6], ("text", "label"))
    assert load(train)[0].labels == names


@pytest.mark.parametrize("score", ["high", "nan", "inf", "1_011", "1e19"])
def test_scores_that_are_no_numbers(folder: Path, score: str) -> None:
    rows = [("a", "1.5")] * 12 + [("b", score)]
    train = write_csv("t.csv", rows, ("text", "label"))
    with pytest.raises(
        DataError, match=f"t.csv, row 14: the score is '{score}', expected a number"
    ):
        load(train, regression=True)
    Path("t.jsonl").write_text('{"text": "a", "label": true}\n' * 12)
    with pytest.raises(DataError, match="t.jsonl, row 1: the score is True"):
        load("t.jsonl", regression=True)
    Path("t.jsonl").write_text('{"text": "a", "label": 1%s}\n' % ("0" * 400))
    with pytest.raises(
        DataError,
        match=r"row 1: the score is 10+.*, expected a number of at most 1e\+18 either way",
    ):
        load("t.jsonl", regression=True)


def test_missing_files_and_folders(folder: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv cannot be read: No such file or directory"):
        load("none.csv")
    (folder / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder.csv cannot be read: Is a directory"):
        load("folder.csv")
    for name in ("owner/name", "/somewhere/else#train", "a/b/c#train", "#train", "owner/name#"):
        with pytest.raises(DataError, match="no hub data set"):
            load(name)


def fake_hub(monkeypatch: pytest.MonkeyPatch, part: datasets.Dataset) -> list[Any]:
    asked: list[Any] = []

    def load_dataset(name: str, config: str | None, *, split: str) -> datasets.Dataset:
        asked.append((name, config, split))
        return part

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def hub_part(labels: list[int | None], names: list[str]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"text": [f"a{index}" for index in range(len(labels))], "label": labels},
        features=datasets.Features(
            text=datasets.Value("string"), label=datasets.ClassLabel(names=names)
        ),
    )


def test_hub_data_sets_and_their_class_names(monkeypatch: pytest.MonkeyPatch) -> None:
    part = hub_part([0, 1] * 10, ["world", "arts", "sport"])
    asked = fake_hub(monkeypatch, part)
    task, splits = load("owner/news:all#train", "owner/news#test", development="news#train[:10%]")
    assert asked == [
        ("owner/news", "all", "train"), ("news", None, "train[:10%]"), ("owner/news", None, "test"),
    ]  # fmt: skip
    assert task.labels == ("world", "arts", "sport")  # the data set's order, its unused class too
    assert splits.test == [Example(f"a{index}", None, index % 2) for index in range(20)]
    assert splits.checksums == dict.fromkeys(
        ("owner/news:all#train", "news#train[:10%]", "owner/news#test"), part._fingerprint
    )


def test_a_hub_train_set_and_a_test_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, hub_part([0, 1] * 10, ["pos", "neg"]))
    test = write_csv("t.csv", ROWS[:2], ("text", "label"))
    assert [row.label for row in load("owner/films#train", test)[1].test] == [0, 1]


def test_hub_rows_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    for labels, names, message in (
        ([0, -1], ["n", "p"], r"owner/a#train, row 1: 'label' is empty"),
        ([0, None], ["n", "p"], r"owner/a#train, row 1: 'label' is empty"),
        ([0] * 20, ["n"], "every label is 'n', expected two classes"),
        ([], ["n", "p"], r"owner/a#train holds no rows"),
    ):
        fake_hub(monkeypatch, hub_part(labels, names))
        with pytest.raises(DataError, match=message):
            load("owner/a#train")
    fake_hub(monkeypatch, hub_part([0, 1], ["n", "p"]))
    with pytest.raises(DataError, match=r"owner/a#train has no column 'body'; it has: text, label"):
        load("owner/a#train", text=("body",))
    with pytest.raises(DataError, match=r"#train, row 0: the score is 'n', expected a number"):
        load("owner/a#train", regression=True)


def test_a_hub_data_set_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*arguments: object, **options: object) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        DataError, match=r"owner/a cannot be had from the hub \(no route\); expected"
    ):
        load("owner/a#train")
