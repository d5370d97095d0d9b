"""What README and the documentation tell people to type: Python runs as it stands, commands are commands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import typer
from checkpoints import BertLike, write_base, write_lora
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app

ROOT = Path(ll.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = [
    pytest.param(code, id=f"{page.stem}-{k}")
    for page in PAGES
    for k, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]
_SHELL = re.compile(r"^```(?:shell|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_RECIPE = re.compile(r"^```text\n\$ lora-lens (.*?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RECIPES = [
    pytest.param(command, printed, id=command.split()[0])
    for command, printed in _RECIPE.findall((ROOT / "docs" / "recipes.md").read_text("utf-8"))
]


def commands() -> list[str]:
    """Every ``lora-lens …`` in a block of code or a span of it, without what is said of it."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        blocks = [*_SHELL.findall(text), *re.findall(r"^    (lora-lens .*)$", text, re.MULTILINE)]
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [f"lora-lens {command}" for command, _ in _RECIPE.findall(text)]
        lines += re.findall(r"`(lora-lens [a-z]+ [^`]*)`", text)
        found += [re.split(r" {2,}", line)[0].strip() for line in lines if "lora-lens " in line]
    return list(dict.fromkeys(line[line.index("lora-lens ") :] for line in found))


def plain(command: str) -> list[str]:
    """Its words; what stands for something to be filled in has a value."""
    words = shlex.split(re.sub(r"\[(\w+)(?: …)?\]", r"\1", command).replace("…", ""))
    return words[1:]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the names of the snippets mean something: an adapter ``ckpt``, a base ``roberta-base``."""
    monkeypatch.chdir(tmp_path)
    shape = BertLike(rank=8)
    write_base(tmp_path / "roberta-base", shape)
    write_lora(tmp_path / "ckpt", shape, base="roberta-base")
    for seed in range(2):
        write_lora(tmp_path / "runs" / f"seed-{seed}", shape, base="roberta-base", seed=seed)
    for name in ("lora", "condlora"):
        shutil.copytree(ll.demo_adapter(name), tmp_path / name)  # type: ignore[arg-type]
    return tmp_path


def tiny() -> Any:
    """A model with ``q_proj``."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    config = transformers.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def adapted() -> Any:
    """The same with a LoRA adapter on it that looks trained."""
    import torch

    model = tiny()
    peft = pytest.importorskip("peft")
    found = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj"]))
    for name, parameter in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    return found


@pytest.mark.parametrize("code", PYTHON)
def test_python_runs_as_it_stands(code: str, folder: Path, rng: np.random.Generator) -> None:
    names: dict[str, Any] = {
        "x": rng.standard_normal((24, 8)),
        "y": rng.standard_normal((24, 8)),
    }
    if "compare(one, other" in code:
        names["one"] = names["other"] = ll.load_adapter(folder / "ckpt")
    if "peft_model" in code:
        names["peft_model"] = adapted()
    if "get_condlora_model(base" in code:
        names["base"] = tiny()
        names["fresh_base"] = tiny()
    exec(compile(code, "snippet", "exec"), names)
    plt.close("all")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_there_are_snippets() -> None:
    """What this file looks for is found, so that it cannot pass by finding nothing."""
    assert len(PYTHON) >= 3
    assert len(RECIPES) == 8
    found = commands()
    assert len(found) > 20
    assert {words[0] for words in map(plain, found)} >= {"similarity", "report", "serve", "train"}


@pytest.mark.parametrize("command", commands())
def test_commands_have_the_options_that_are_typed(command: str) -> None:
    group: Any = typer.main.get_command(app)
    words = plain(command)
    if words == ["--help"] or words[0].isupper():  # `lora-lens COMMAND --help`
        return
    assert words[0] in group.commands, f"no command {words[0]}"
    with group.make_context("lora-lens", list(words), resilient_parsing=False) as above:
        name, found, rest = group.resolve_command(above, list(words))
        if "ADAPTER" not in command and len(words) == 1 and found.params:
            required = [one for one in found.params if one.required]
            if required:  # a mention of the command alone
                return
        found.make_context(name, rest, parent=above)


@pytest.mark.parametrize("command", ["--drawz 3", "--module"])
def test_an_option_that_is_none_would_be_found(command: str) -> None:
    with pytest.raises(Exception, match=r"No such option|requires an argument"):
        test_commands_have_the_options_that_are_typed(f"lora-lens similarity ADAPTER {command}")


def lines(text: str) -> list[list[str]]:
    """Words by line; how far apart they stand goes by the widest number of a column."""
    return [line.split() for line in text.strip().splitlines()]


def same(one: str, other: str) -> bool:
    """Words are equal; numbers have as many decimals, and are within what another machine's libraries may do."""
    if one == other:
        return True
    number = re.compile(r"[-+]?\d*\.\d+")
    if number.sub("#", one) != number.sub("#", other):
        return False
    pairs = list(zip(number.findall(one), number.findall(other), strict=True))
    if any(len(a.partition(".")[2]) != len(b.partition(".")[2]) for a, b in pairs):
        return False
    return all(abs(float(a) - float(b)) <= 0.0021 + 0.05 * abs(float(b)) for a, b in pairs)


def test_a_recipe_of_other_digits_is_not_the_same() -> None:
    assert same("0.0559", "0.0558")
    assert not same("0.0559", "0.056")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "printed"), RECIPES)
def test_recipes_print_what_they_say(
    command: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line on a terminal of 100 columns; what `report` says is one line, for the terminal to break."""
    monkeypatch.setenv("COLUMNS", "100")
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, done.output
    found, expected = lines(done.stdout), lines(printed)
    if command.startswith("report "):
        expected = [printed.split()]
    assert list(map(len, found)) == list(map(len, expected))
    pairs = zip(done.stdout.split(), printed.split(), strict=True)
    assert [pair for pair in pairs if not same(*pair)] == []
