"""Two CPU processes under torchrun give what one gives: the batch is shared out, not multiplied."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from glue_folder import write_rte
from safetensors.torch import load_file

from lora_lens.errors import SettingsError
from lora_lens.files.locate import DEMO_BASE, local_folder
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings


def without_dropout(folder: Path) -> str:
    """Two layers of the real base model; its dropout alone would make the processes' random numbers matter."""
    source = local_folder(DEMO_BASE)
    assert source is not None
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").unlink()
    changed = {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "num_hidden_layers": 2,
    }
    (folder / "config.json").write_text(json.dumps(config | changed))
    return str(folder)


# One run by the function, and one, after it, by the command. What is registered before all else is called after all else.
_BOTH = """
import atexit, os, sys
from pathlib import Path

def say():
    import torch
    sys.stdout.flush()
    os.write(1, b"still in a group: %d\\n" % torch.distributed.is_initialized())  # in one piece

atexit.register(say)

from lora_lens.cli import main
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

base, data, out, *words = sys.argv[1:]
settings = RunSettings(
    task="rte", method="condlora", base=base, data=data, epochs=2, max_length=32, learning_rate=2e-3, group_by_length=True
)
train(settings, Path(out) / "grouped", use_cpu=True)
sys.argv = ["lora-lens", *words]
main()
"""

CLOSE = 1e-4  # float32, summed in another order over eight steps


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    # 128 to train on and 14: whole batches, even parts.
    data = str(write_rte(tmp_path / "glue", train=142))
    base = without_dropout(tmp_path / "base")
    (tmp_path / "both.py").write_text(_BOTH)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(tmp_path / "both.py"), base, data, str(tmp_path),
        "train", "--task", "rte", "--method", "condlora", "--base", base,
        "--data", data, "--epochs", "2", "--max-length", "32", "--lr", "2e-3", "--cpu",
        "--out", str(tmp_path / "mixed"),
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("still in a group: 0") == 2  # gloo's threads may abort one that is
    assert done.stdout.count("on the test set") == 1
    assert done.stderr.count("epoch   1.00") == 1
    for name, grouped in (("grouped", True), ("mixed", False)):
        settings = RunSettings(
            task="rte", method="condlora", base=base, data=data, epochs=2, max_length=32,
            learning_rate=2e-3, group_by_length=grouped,
        )  # fmt: skip
        alone = train(settings, tmp_path / "alone" / name, use_cpu=True)
        two = json.loads((tmp_path / name / "run.json").read_text())
        assert (alone["processes"], two["processes"]) == (1, 2)
        assert two["settings"]["group_by_length"] is grouped
        assert two["test_score"] == alone["test_score"]
        for one, other in zip(alone["history"], two["history"], strict=True):
            for loss in ("train_loss", "development_loss"):
                assert other[loss] == pytest.approx(one[loss], abs=CLOSE)
        folders = tmp_path / "alone" / name, tmp_path / name
        weights, others = (load_file(folder / "adapter_model.safetensors") for folder in folders)
        for key, tensor in weights.items():
            torch.testing.assert_close(others[key], tensor, atol=CLOSE, rtol=0)


def test_a_batch_that_cannot_be_shared_out() -> None:
    settings = RunSettings(task="rte", method="lora", base=DEMO_BASE, batch_size=9)
    assert settings.rows_a_device(3) == 3
    with pytest.raises(SettingsError, match=r"9 rows.*2 processes.*--batch-size"):
        settings.rows_a_device(2)
