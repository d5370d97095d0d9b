import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from glue_folder import write_rte
from own_rows import write_own
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import DebertaV2Config, DebertaV2Model
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import AdapterError, BaseModelError, FileFormatError
from lora_lens.files.locate import DEMO_BASE
from lora_lens.training.data import OwnData, open_data
from lora_lens.training.data.varied import ZeroScoreWarning
from lora_lens.training.evaluate import evaluate
from lora_lens.training.models import open_classifier
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    data = write_rte(folder / "glue")
    for method in ("lora", "condlora"):
        settings = RunSettings(
            task="rte", method=method, base=DEMO_BASE, data=str(data), epochs=2, max_length=32,
            learning_rate=3e-3, seed=1,
        )  # fmt: skip
        train(settings, folder / method, use_cpu=True)
    return folder


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_a_saved_adapter_scores_as_it_did(runs: Path, method: str) -> None:
    record = json.loads((runs / method / "run.json").read_text())
    for part, score in (("test", "test_score"), ("development", "development_score")):
        found = evaluate(runs / method, "rte", str(runs / "glue"), part=part, use_cpu=True)
        assert found.score == pytest.approx(record[score], abs=1e-9)
        assert found.rows == record["rows"][part]
        assert (found.metric, found.base) == ("accuracy", DEMO_BASE)
        assert (found.majority_score == record["majority_score"]) == (part == "test")


def test_test_rows_of_one_label_are_warned_of(tmp_path: Path) -> None:
    own = write_own(tmp_path, classes=None)
    alike = tmp_path / "alike.csv"
    alike.write_text("first,second,label\na,b,1.5\nc,d,1.5\n")
    own = replace(own, test=str(alike))
    settings = RunSettings(
        task="mine", own=own, method="lora", base=DEMO_BASE, epochs=1, max_length=32,
        learning_rate=1e-3,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ZeroScoreWarning)
        assert train(settings, tmp_path / "run", use_cpu=True)["test_score"] == 0
        assert evaluate(tmp_path / "run", "mine", own=own, use_cpu=True).score == 0
    said = [str(one.message) for one in caught if one.category is ZeroScoreWarning]
    assert said == ["all 2 test rows have the label '1.5': pearson is 0 whatever is answered"] * 2


def test_an_adapter_of_pefts_own(runs: Path, tmp_path: Path) -> None:
    """Second route: the head is set so that the answer is known without the model."""
    base = open_classifier(DEMO_BASE, 2).model
    model = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["key"]))
    head = next(m for n, m in model.named_modules() if n.endswith("modules_to_save.default"))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 1.0]))
    model.peft_config["default"].base_model_name_or_path = DEMO_BASE
    model.save_pretrained(tmp_path / "peft", save_embedding_layers=False)
    found = evaluate(tmp_path / "peft", "rte", str(runs / "glue"), use_cpu=True)
    rows = (runs / "glue" / "RTE" / "dev.tsv").read_text().splitlines()[1:]
    assert found.score == pytest.approx(sum(r.endswith("not_entailment") for r in rows) / len(rows))


def test_the_command(runs: Path) -> None:
    arguments = ["evaluate", str(runs / "condlora"), "--task", "rte", "--data", str(runs / "glue"), "--cpu"]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("accuracy: 0.")
    as_json = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["rows"] == 20


def test_own_rows(runs: Path, tmp_path: Path) -> None:
    csv = tmp_path / "own.csv"
    names = ("entailment", "not_entailment")
    rows = [f"A cat sleeps.,The {kind} sleeps.,{kind}\n" for kind in names * 8]
    csv.write_text("a,b,kind\n" + "".join(rows))
    arguments = [
        "evaluate", str(runs / "lora"), "--task", "own", "--train", str(csv), "--test", str(csv),
        "--text", "a,b", "--label", "kind", "--cpu", "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["task"], found["rows"], found["majority_score"]) == ("own", 16, 0.5)
    missing = CliRunner().invoke(app, [*arguments[:-6], "--label", "kind"])
    assert missing.exit_code == 2
    assert "--text is missing" in missing.stderr
    csv.write_text("a,b,kind\n" + "".join(rows).replace("not_entailment", "contradiction"))
    other = CliRunner().invoke(app, arguments)  # whose first class was the second
    assert other.exit_code == 1
    assert (
        "trained on the classes entailment, not_entailment, these data have contradiction, ent"
        in other.stderr
    )


def test_the_constants_score_is_that_of_the_rows_that_were_scored(runs: Path) -> None:
    splits = open_data("rte", str(runs / "glue"), None)[1]
    votes = [row.label for row in splits.train]
    common = max(set(votes), key=votes.count)
    for part, rows in (("test", splits.test), ("development", splits.development)):
        found = evaluate(runs / "lora", "rte", str(runs / "glue"), part=part, use_cpu=True)
        share = sum(row.label == common for row in rows) / len(rows)
        assert found.majority_score == pytest.approx(share)


def test_the_constant_is_of_the_rows_that_the_run_saw(tmp_path: Path) -> None:
    """The first 6 of 20 training rows are mostly good, all of them mostly bad."""
    kinds = ["good", "good", "bad", "good", "good", "bad", *["bad"] * 14]
    csv = tmp_path / "films.csv"
    csv.write_text("text,kind\n" + "".join(f"A {kind} film.,{kind}\n" for kind in kinds))
    own = OwnData(str(csv), str(csv), ("text",), "kind", development=str(csv))
    settings = RunSettings(
        task="films", method="lora", base=DEMO_BASE, own=own, epochs=1, max_length=16,
        learning_rate=1e-3, train_rows=6,
    )  # fmt: skip
    record = train(settings, tmp_path / "few", use_cpu=True)
    found = evaluate(tmp_path / "few", "films", own=own, use_cpu=True)
    assert found.majority_score == record["majority_score"] == 4 / 20
    whole = evaluate(tmp_path / "few", "other", own=own, use_cpu=True)  # not the run's task
    assert whole.majority_score == 16 / 20


def test_what_cannot_be_scored(runs: Path, tmp_path: Path) -> None:
    data = str(runs / "glue")
    with pytest.raises(AdapterError, match="holds no adapter_config.json"):
        evaluate(tmp_path, "rte", data, use_cpu=True)
    (tmp_path / "adapter_config.json").write_text("{}")
    shutil.copy(runs / "lora" / "adapter_model.safetensors", tmp_path)
    with pytest.raises(AdapterError, match="pass --base"):
        evaluate(tmp_path, "rte", data, use_cpu=True)
    with pytest.raises(BaseModelError):
        evaluate(runs / "lora", "rte", data, base=str(tmp_path), use_cpu=True)
    (tmp_path / "adapter_config.json").write_text(
        (runs / "lora" / "adapter_config.json").read_text()
    )
    (tmp_path / "adapter_model.safetensors").unlink()
    (tmp_path / "adapter_model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(FileFormatError, match="is not a whole safetensors file"):
        evaluate(tmp_path, "rte", data, use_cpu=True)


@pytest.mark.parametrize(
    ("labels", "task_type", "message"),
    [(2, None, "its answers would be random"), (3, "SEQ_CLS", r"\(3,.* the task needs \(2,")],
)
def test_a_head_that_is_missing_or_another_tasks(
    runs: Path, tmp_path: Path, labels: int, task_type: str | None, message: str
) -> None:
    """A new head would be random, and so would the score."""
    base = open_classifier(DEMO_BASE, labels).model
    config = LoraConfig(task_type=task_type, r=2, target_modules=["key"])
    get_peft_model(base, config).save_pretrained(tmp_path, save_embedding_layers=False)
    with pytest.raises(AdapterError, match=message):
        evaluate(tmp_path, "rte", str(runs / "glue"), base=DEMO_BASE, use_cpu=True)


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_a_base_whose_pooler_is_new(runs: Path, tmp_path: Path, method: str) -> None:
    """DeBERTa comes without one: it is trained and saved, or the adapter would score otherwise."""
    tokenizer = open_classifier(DEMO_BASE, 2).tokenizer
    tokenizer.save_pretrained(tmp_path / "base")
    config = DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    DebertaV2Model(config).save_pretrained(tmp_path / "base")
    settings = RunSettings(
        task="rte", method=method, base=str(tmp_path / "base"), data=str(runs / "glue"), epochs=1,
        target_modules=("value_proj",), learning_rate=1e-2,
    )  # fmt: skip
    record = train(settings, tmp_path / "out", use_cpu=True)
    assert record["head_parameters"] == (16 * 16 + 16) + (16 * 2 + 2)
    names = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert any(name.endswith("pooler.dense.weight") for name in names)
    found = evaluate(tmp_path / "out", "rte", str(runs / "glue"), use_cpu=True)
    assert found.score == record["test_score"]
