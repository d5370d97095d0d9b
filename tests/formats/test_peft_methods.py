"""PEFT's other methods: what is read without their base, what is said of ranks, and what is refused."""

import builtins
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import cases_of, deltas, made_by
from safetensors.torch import load, load_file, save_file

from lora_lens import inspect, load_adapter, spectrum
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError, BaseModelError, LensError
from lora_lens.formats.factors.factored import thin_svd
from lora_lens.formats.opening import open_adapter
from lora_lens.formats.peft.names import UNKNOWN
from lora_lens.formats.peft.order import _Targeted

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft", minversion="0.21")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """Case → its folder and its ΔW, made once."""
    known: dict[str, tuple[Path, Any]] = {}

    def of(case: str) -> tuple[Path, Any]:
        if case not in known:
            folder = tmp_path_factory.mktemp("made")
            known[case] = (folder, cases_of("peft_methods")[case](folder))
        return known[case]

    return of


def copied(folder: Path, to: Path, **settings: Any) -> Path:
    """The adapter alone, its base nowhere; and with these settings."""
    shutil.copytree(folder / "adapter", to / "alone")
    file = to / "alone" / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = str(to / "gone")
    file.write_text(json.dumps(config | settings))
    return to / "alone"


WITHOUT = ["loha", "loha on convolutions", "loha on convolutions, decomposed", "lokr", "lokr, whole",
           "lokr on convolutions", "vblora", "vblora, its topk alone", "vblora, its one of topk alone", "c3a", "delora",
           "gralora"]  # fmt: skip


@pytest.mark.parametrize("case", WITHOUT)
def test_what_the_file_alone_says_needs_no_base(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, case: str
) -> None:
    folder, expected = made(case)
    found = deltas(load_adapter(copied(folder, tmp_path)))
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-6 * torch.linalg.norm(delta), path


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("vera", "the shapes of W0"),
        ("randlora", "the shapes of W0"),
        ("fourierft", "the shapes of W0"),
        ("waveft", "the shapes of W0"),
        ("miss", "the shapes of W0"),
        ("miss, bat", "needs W0"),
        ("psoft", "needs W0"),
        ("tinylora", "order of the model's layers"),
        ("unilora", "order of the model's layers"),
    ],
)
def test_the_rest_says_that_it_needs_one(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, case: str, what: str
) -> None:
    folder, expected = made(case)
    alone = copied(folder, tmp_path)
    with pytest.raises(AdapterError, match=f"{what}.*--base") as caught:
        load_adapter(alone)
    assert "\n" not in str(caught.value)
    assert deltas(load_adapter(alone, folder / "base")).keys() == expected.keys()


def test_ranks_and_errors_are_said(made: Callable[[str], tuple[Path, Any]]) -> None:
    folder, expected = made("loha")
    adapter = load_adapter(folder / "adapter", folder / "base")
    found = inspect(adapter)
    assert (found.method, adapter.title) == ("loha", "LoHa")
    assert {s.rank for s in found.modules} == {4, 9}  # of 2·2 and 3·3
    assert found.trainable_parameters == 2 * (2 * 2 * (24 + 24) + 2 * 3 * (24 + 32))
    (note,) = found.notes
    error = float(re.findall(r"at most ([\d.e-]+)", note)[0])
    assert "rank 4 to 9 kept" in note
    assert 0 < error < 1e-6
    for summary in found.modules:
        norm = float(expected[summary.name].norm())
        assert summary.frobenius_norm == pytest.approx(norm, rel=1e-6)
    full, _ = made("c3a")
    assert "in 4 of 4 layers that is full rank" in load_adapter(full / "adapter").notes[0]
    assert len(spectrum(adapter, "query", beside_w0=False).layers) == 2


def test_the_callers_random_numbers_are_left_alone(
    made: Callable[[str], tuple[Path, Any]],
) -> None:
    folder, _ = made("vera")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_adapter(folder / "adapter", folder / "base")
    assert torch.equal(torch.rand(4), expected)


def test_without_peft_the_error_says_the_pip_line(
    made: Callable[[str], tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = made("loha")
    real = builtins.__import__

    def none(name: str, *given: Any) -> Any:
        if name == "peft":
            raise ImportError(name)
        return real(name, *given)

    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, "peft")
        patched.setattr(builtins, "__import__", none)
        with pytest.raises(AdapterError, match=re.escape('pip install "lora-lens[convert]"')):
            load_adapter(folder / "adapter")
    monkeypatch.setattr(peft, "__version__", "0.20.0")
    with pytest.raises(AdapterError, match=r"here is 0\.20\.0.*pip install"):
        load_adapter(folder / "adapter")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r": 10**12}, "more than its tensors hold"),
        ({"rank_pattern": {"query": 10**12}}, "expected a number"),
        ({"rank_pattern": {"query": "2"}}, "expected a number"),
        ({"rank_pattern": {"(": 2}}, "expression"),
        ({"rank_pattern": ["query"]}, "expected names to numbers"),
        ({"r": 7}, "PEFT cannot make LoHa"),
        ({"r": "three"}, "PEFT cannot make LoHa"),
        ({"use_effective_conv2d": {}, "alpha": "x"}, "PEFT cannot make LoHa"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, settings: Any, message: str
) -> None:
    alone = copied(made("loha")[0], tmp_path, **settings)
    with pytest.raises(AdapterError, match=message) as caught:
        load_adapter(alone)
    assert "\n" not in str(caught.value)


def test_no_method_gets_an_expression_of_a_stranger(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    """Patterns of one method alone, too: a backtracking matcher does not come back from this one."""
    slow = {".*" * 60 + "roberta": 3.0, "query": 2.0}
    plain = load_adapter(copied(made("delora")[0], tmp_path / "a"))
    again = load_adapter(copied(made("delora")[0], tmp_path / "b", lambda_pattern=slow))
    for module, factors in plain.modules.items():  # λ as trained is in the file
        assert torch.equal(factors.b @ factors.a, again.modules[module].b @ again.modules[module].a)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"target_modules": r"(([a-z0-9.]+)+)+\$"}, "PEFT cannot"),  # matches none, in bounded time
        ({"target_modules": r"(([a-z0-9.]|[a-z])*)*X"}, "PEFT cannot"),
        ({"target_modules": r"(a)\1"}, "no regular expression"),
        ({"target_modules": "(" * 3000}, "letters"),
        ({"target_modules": {"a": 1}}, "target_modules .*expected names or an expression"),
        ({"target_modules": 3}, "target_modules .*expected names or an expression"),
        ({"exclude_modules": 3}, "exclude_modules .*expected names or an expression"),
        (
            {"layers_to_transform": [0], "layers_pattern": "(a+)+"},
            "layers_pattern .*expected names",
        ),
        ({"layers_to_transform": [0], "layers_pattern": ["layer", 3.5]}, "expected names"),
    ],
)
def test_modules_that_are_chosen_by_what_would_take_for_ever(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, settings: Any, why: str
) -> None:
    folder, _ = made("unilora")
    alone = copied(folder, tmp_path, **settings)
    with pytest.raises(AdapterError, match=why):
        load_adapter(alone, folder / "base")


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": r".*\.(query|key)"},
        {"target_modules": r".*\.query|.*\.key"},
        {"target_modules": r".*\.query", "exclude_modules": r".*\.0\..*"},
        {"target_modules": ["query", "key"], "exclude_modules": ["0.attention.self.key"]},
        {"target_modules": ["query"], "layers_to_transform": [1], "layers_pattern": "layer"},
        {"target_modules": ["query"], "layers_to_transform": 1, "layers_pattern": ["x", "layer"]},
        {"target_modules": ["query", "(a+)+$"], "layers_to_transform": [1]},
    ],
)
def test_modules_are_chosen_by_expressions_as_peft_does(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, settings: Any
) -> None:
    folder, _ = made("unilora")
    targeted = _Targeted(open_adapter(copied(folder, tmp_path, **settings)))
    from peft.tuners.tuners_utils import check_target_module_exists

    config = peft.LoraConfig(r=2, **settings)
    model = transformers.AutoModel.from_pretrained(folder / "base")
    paths = [name for name, _ in model.named_modules()]
    own = [path for path in paths if check_target_module_exists(config, path)]
    assert [path for path in paths if path in targeted] == own
    assert 0 < len(own) < 5


@pytest.mark.parametrize(
    "target",
    [
        r".*\.(query|intermediate\.dense)$",
        r"((\w+\.)*)*(query|intermediate\.dense)",
        ["query", "intermediate.dense"],
    ],
)
def test_modules_are_chosen_as_peft_does(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path, target: Any
) -> None:
    folder, expected = made("unilora")
    found = deltas(load_adapter(copied(folder, tmp_path, target_modules=target), folder / "base"))
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-6 * torch.linalg.norm(delta), path


def test_few_numbers_that_are_the_product_of_very_many(tmp_path: Path) -> None:
    name = "base_model.model.layers.0.q.hada_w{}_{}"
    shapes = {"a": (1 << 20, 1), "b": (1, 1 << 20)}
    tensors = {name.format(k, x): torch.ones(shapes[x]) for k in (1, 2) for x in shapes}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    config = {"peft_type": "LOHA", "r": 1, "alpha": 1, "target_modules": ["q"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterError, match="expected a layer of a model"):
        load_adapter(tmp_path)


def test_a_base_of_very_many_layers_is_not_made(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    folder, _ = made("unilora")
    shutil.copytree(folder / "base", tmp_path / "base")
    file = tmp_path / "base" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_hidden_layers": 10**9}))
    with pytest.raises(AdapterError, match="says num_hidden_layers 1000000000"):
        load_adapter(folder / "adapter", tmp_path / "base")


def test_tensors_that_lack_or_are_too_many(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    alone = copied(made("lokr")[0], tmp_path)
    file = alone / "adapter_model.safetensors"
    # Read into memory, for the file is written over again and again: an older library's tensors are the file's own bytes.
    tensors = load(file.read_bytes())
    name = next(n for n in tensors if "lokr_w2_b" in n)
    for changed in (
        {n: t for n, t in tensors.items() if n != name},
        tensors | {name.replace("w2_b", "w9"): torch.ones(2)},
        tensors | {name: torch.ones(1, 1)},
        tensors | {name: torch.ones(0, 6)},
        tensors | {name: tensors[name] * torch.nan},
    ):
        save_file(changed, file)
        with pytest.raises(LensError):
            load_adapter(alone)
    save_file(tensors | {"base_model.model.classifier.weight": torch.ones(2, 24)}, file)
    assert list(load_adapter(alone).left_out.values()) == [UNKNOWN.why]


def test_a_base_without_the_module_is_no_hindrance_where_none_is_needed(
    made: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    folder, expected = made("loha")
    shutil.copytree(folder / "base", tmp_path / "base")
    file = tmp_path / "base" / "model.safetensors"
    save_file({n: t for n, t in load_file(file).items() if "query" not in n}, file)
    assert deltas(load_adapter(folder / "adapter", tmp_path / "base")).keys() == expected.keys()


def test_another_base_is_not_taken(made: Callable[[str], tuple[Path, Any]], tmp_path: Path) -> None:
    folder, _ = made("fourierft")
    shutil.copytree(folder / "base", tmp_path / "base")
    file = tmp_path / "base" / "model.safetensors"
    tensors = {n: t for n, t in load_file(file).items() if "query" not in n}
    save_file(tensors, file)
    with pytest.raises(BaseModelError, match="no weight of"):
        load_adapter(folder / "adapter", tmp_path / "base")


def test_the_quick_way_to_singular_values_is_the_slow_one() -> None:
    generator = torch.Generator().manual_seed(0)
    b = torch.randn(600, 20, generator=generator, dtype=torch.float64)
    a = torch.randn(20, 300, generator=generator, dtype=torch.float64)
    for matrix in (b @ a, torch.randn(300, 300, generator=generator, dtype=torch.float64)):
        u, s, vh = thin_svd(matrix, float(matrix.norm()))
        expected = torch.linalg.svdvals(matrix)[: len(s)]
        torch.testing.assert_close(s, expected, rtol=1e-6, atol=1e-9 * float(s[0]))
        torch.testing.assert_close((u * s) @ vh, matrix, rtol=0, atol=1e-6)


def test_untrained_ones_have_no_update(tmp_path: Path) -> None:
    cases_of("peft_methods")["gralora"](tmp_path)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    zero = {n: t * 0 if "gralora_B" in n else t for n, t in load_file(file).items()}
    save_file(zero, file)
    found = inspect(load_adapter(tmp_path / "adapter"))
    assert [s.frobenius_norm for s in found.modules] == [0] * 4


LIVE = ["vera", "vera on conv1d", "loha", "loha on convolutions, decomposed", "lokr", "vblora", "randlora", "c3a",
        "delora", "fourierft", "gralora", "miss", "miss, bat", "psoft", "tinylora", "unilora", "waveft"]  # fmt: skip


def live(case: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The case's model as PEFT has it in memory, and its ΔW."""
    module = made_by("peft_methods")
    kept: list[Any] = []
    original = peft.get_peft_model
    monkeypatch.setattr(
        peft, "get_peft_model", lambda *given: kept.append(original(*given)) or kept[-1]
    )
    expected = module.CASES[case](folder)
    monkeypatch.undo()
    return kept[0], expected


@pytest.mark.parametrize("case", LIVE)
def test_a_model_in_memory_is_read_as_its_folder_is(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, expected = live(case, tmp_path, monkeypatch)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapter = load_adapter(model)
    found = deltas(adapter)
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-6 * torch.linalg.norm(delta), path
    read = load_adapter(tmp_path / "adapter", tmp_path / "base")
    assert (adapter.method, adapter.title) == (read.method, read.title)
    assert adapter.trainable_parameters == read.trainable_parameters
    assert adapter.left_out == read.left_out
    assert adapter.patterns == read.patterns
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    weights, base = open_base_of(adapter), open_base_of(read)
    for module, factors in adapter.modules.items():
        assert torch.equal(weights.w0(factors, 0), base.w0(read.modules[module], 0))


def test_what_is_merged_or_of_another_method_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = live("loha", tmp_path, monkeypatch)
    with pytest.raises(AdapterError, match="no LoRA adapter 'other'; it has 'default'"):
        load_adapter(model, name="other")
    model.merge_adapter()
    with pytest.raises(AdapterError, match="has default merged into W0"):
        load_adapter(model)
    config = peft.IA3Config(target_modules=["query"], feedforward_modules=[])
    other = peft.get_peft_model(made_by("peft_lora").bert(), config)
    with pytest.raises(AdapterError, match=r"of type IA3, whose ΔW is not read; .* WaveFT"):
        load_adapter(other)


def test_one_of_two_adapters_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, expected = live("lokr", tmp_path, monkeypatch)
    model.add_adapter("second", model.peft_config["default"])
    found = deltas(load_adapter(model, name="default"))
    for path, delta in expected.items():
        torch.testing.assert_close(found[path], delta, rtol=1e-5, atol=1e-6)
    model.set_adapter("second")
    assert not any(delta.any() for delta in deltas(load_adapter(model)).values())
