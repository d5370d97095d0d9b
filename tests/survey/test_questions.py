"""What is known of a survey's questions beforehand is what they do."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_runs import MODULES, WIDTH, path_of
from safetensors.numpy import save_file

import lora_lens as ll
from lora_lens.survey.questions import FOR_ALL, QUESTIONS, TABLES


@pytest.fixture
def base(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    names = [f"{path_of(layer, module)}.weight" for layer in range(2) for module in MODULES]
    w0 = {name: rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) for name in names}
    (tmp_path / "base").mkdir()
    save_file(w0, tmp_path / "base" / "model.safetensors")
    (tmp_path / "base" / "config.json").write_text('{"model_type": "bert"}')
    return tmp_path / "base"


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_table_that_is_written_is_known(
    dozen: Path, base: Path, tmp_path: Path, name: str
) -> None:
    """A table that is not would stay in silence beside a later survey of other questions."""
    (dozen / "bad").mkdir()
    (dozen / "bad" / "adapter_config.json").touch()
    found = ll.survey(dozen, tmp_path / "out", base=base, questions=name)
    written = {path.stem for path in (tmp_path / "out").glob("*.parquet")}
    assert written == {*FOR_ALL, *QUESTIONS[name].tables}
    assert written <= set(TABLES)
    assert {Path(file).stem for file in found.files} == written


def test_to_name_questions_needs_no_torch() -> None:
    code = "import sys, lora_lens.survey.questions; sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
