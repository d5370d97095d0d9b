"""PEFT's options of LoRA: W0 is the one that ΔW is added to, and what needs more than the file has it or is refused."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, write_config, write_lora
from made_formats import cases_of, deltas, made_by
from safetensors.torch import load, load_file, save_file
from torch import Tensor

from lora_lens import inspect, load_adapter
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError, BaseModelError, LensError

peft = pytest.importorskip("peft", minversion="0.21")
lora: Any = made_by("peft_lora")


@pytest.mark.parametrize(
    "case", ["conv1d", "an embedding, rslora", "convolutions", "replicated layers", "bert"]
)
def test_w0_is_what_delta_is_added_to(tmp_path: Path, case: str) -> None:
    cases_of("peft_lora")[case](tmp_path)
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    base = load_file(tmp_path / "base" / "model.safetensors")
    weights, seen = open_base_of(adapter), 0
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    layers = [n for pair in config.get("layer_replication") or [] for n in range(*pair)]
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            own = path
            if layers:
                own = path.replace(
                    f"layers.{factors.layers[k]}.", f"layers.{layers[factors.layers[k]]}."
                )
            name = next(
                n for n in base if f".{own}.weight".endswith(f".{n}") or n == f"{own}.weight"
            )
            w0 = weights.w0(factors, k)
            expected = base[name].flatten(1)
            if case in ("conv1d",) or "embedding" in path:
                expected = expected.T
            if factors.part:
                expected = factors.part.take(expected)
            assert torch.equal(w0, expected), path
            seen += 1
    assert seen


@pytest.mark.parametrize(
    "case",
    [
        "an embedding, rslora",
        "convolutions",
        "two stacks",
        "stacks that lie turned",
        "stacks, a router and all linear layers",
        "one such stack, whose shape does not tell",
        "replicated layers",
        "activated",
        "blocks on the diagonal",
    ],
)
def test_a_model_in_memory_is_read_as_its_files(tmp_path: Path, case: str) -> None:
    kept: list[Any] = []
    original = lora.wrapped
    lora.wrapped = lambda *given: kept.append(original(*given)) or kept[-1]
    try:
        expected = lora.CASES[case](tmp_path)
    finally:
        lora.wrapped = original
    live = load_adapter(kept[0])
    found = deltas(live)
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        torch.testing.assert_close(found[path], delta, rtol=1e-6, atol=1e-6)
    from_file = open_base_of(load_adapter(tmp_path / "adapter", tmp_path / "base"))
    for name, factors in live.modules.items():
        assert torch.equal(open_base_of(live).w0(factors, 0), from_file.w0(factors, 0)), name
    layer = next(one for one in kept[0].modules() if hasattr(one, "lora_embedding_A"))
    layer.scaling["default"] *= 2
    with pytest.raises(AdapterError, match="scales its update"):
        load_adapter(kept[0])


def test_an_adalora_in_memory_that_is_scaled_is_refused_as_lora_is() -> None:
    torch.manual_seed(0)
    config = peft.AdaLoraConfig(
        init_r=4, target_r=2, lora_alpha=5, total_step=10, target_modules=["query"]
    )
    model = lora.wrapped(lora.bert(), config)
    layers = [one for one in model.modules() if hasattr(one, "scale_layer")]

    def check() -> None:
        for path, delta in deltas(load_adapter(model)).items():
            own = model.get_base_model().get_submodule(path).get_delta_weight("default").detach()
            torch.testing.assert_close(delta, own.double(), rtol=1e-5, atol=1e-6)

    check()
    for layer in layers:
        layer.scale_layer(3.0)
    with pytest.raises(AdapterError, match=r"scales its update by 3\.74999 .* unscale_layer\(3\)"):
        load_adapter(model)
    for layer in layers:
        layer.unscale_layer(3)
    check()
    for layer in layers:  # PEFT's own way back divides α by the rank, which its ΔW does besides
        layer.unscale_layer()
    with pytest.raises(AdapterError, match=r"unscale_layer\(0\.25\)"):
        load_adapter(model)


# Case → the model, whether its stacks lie (in, out), and how many experts' matrices there are.
STACKS = {
    "two stacks": ("mixtral", False, 12),
    "stacks that lie turned": ("gpt_oss", True, 12),
    "stacks that PEFT names where their layers are asked for": ("qwen3_moe", False, 12),
    "stacks, a router and all linear layers": ("minimax_m2", False, 12),
    "stacks of files of other names": ("granite_moe", False, 12),
    "stacks of files of other names that lie turned": ("aria", True, 12),
    "stacks without a gate": ("nemotron", False, 12),
    "stacks that lie turned, of which the class does not say it": ("llama4", True, 12),
    "one such stack, whose shape does not tell": ("llama4", True, 6),
}


@pytest.mark.parametrize("case", STACKS)
def test_w0_of_an_expert_is_its_own(tmp_path: Path, case: str) -> None:
    """Against the model in memory, whose experts are stacks, whatever its files have."""
    if case not in (cases := cases_of("peft_lora")):
        pytest.skip("this transformers has no such model, or holds its experts in modules")
    cases[case](tmp_path)
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    kind, turned, count = STACKS[case]
    model = type(getattr(lora, kind)()).from_pretrained(tmp_path / "base")
    weights, seen = open_base_of(adapter), 0
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            module, _, name = path.rpartition(".")
            if not module.rpartition(".")[2].isdecimal():
                continue
            parent, _, expert = module.rpartition(".")
            stack = getattr(model.get_submodule(parent), name).detach()[int(expert)]
            assert torch.equal(weights.w0(factors, k), stack.T if turned else stack), path
            seen += 1
    assert seen == count


def test_what_peft_adds_twice_is_said(tmp_path: Path) -> None:
    """The merged weight, and the model's output with it, have the update of torch's ``out_proj`` twice."""
    kept: list[Any] = []
    original = lora.wrapped
    lora.wrapped = lambda *given: kept.append(original(*given)) or kept[-1]
    try:
        expected = lora.CASES["attention of torch"](tmp_path)
    finally:
        lora.wrapped = original
    before = load_file(tmp_path / "base" / "model.safetensors")
    after = kept[0].merge_and_unload().state_dict()
    for name, times in (("attn.in_proj_weight", 1), ("attn.out_proj.weight", 2)):
        delta = expected[name.removesuffix(".in_proj_weight").removesuffix(".weight")]
        torch.testing.assert_close(after[name] - before[name], times * delta.float())
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    assert any("out_proj to W0 twice" in note for note in adapter.notes)
    cases_of("peft_lora")["bert"](tmp_path / "other")
    assert not load_adapter(tmp_path / "other" / "adapter").notes


def test_experts_of_another_number_or_of_no_kind(tmp_path: Path) -> None:
    cases_of("peft_lora")["stacks that lie turned"](tmp_path)
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    file = tmp_path / "base" / "model.safetensors"
    tensors = {n: t.clone() for n, t in load_file(file).items()}  # of a file that is written over
    fewer = {n: t[:2] if "experts" in n and t.ndim == 3 else t for n, t in tensors.items()}
    save_file({n: t.contiguous() for n, t in fewer.items()}, file)
    (third,) = [f for n, f in adapter.modules.items() if n.endswith("2.down_proj")]
    with pytest.raises(BaseModelError, match="3 of them at least"):
        open_base_of(adapter).w0(third, 0)
    square = {n: torch.ones(3, 16, 16) if "down_proj" in n else t for n, t in tensors.items()}
    save_file({n: t for n, t in square.items() if t.ndim != 2 or "bias" not in n}, file)
    with pytest.raises(BaseModelError, match="this is not its base model"):
        open_base_of(adapter).w0(third, 0)
    (tmp_path / "base" / "config.json").unlink()
    with pytest.raises(BaseModelError, match="nothing tells whether they are stored"):
        open_base_of(adapter).w0(third, 0)


def prepare(model: Any, config: Any) -> None:
    """What CorDA and LoRA-GA have to see of the data before they begin."""
    tokens = torch.randint(30, (8, 5), generator=torch.Generator().manual_seed(2))

    def loss() -> Tensor:
        found: Tensor = model(tokens, labels=tokens[:, 0] % 2).loss
        return found

    if config.init_lora_weights == "corda":
        from peft.tuners.lora.corda import preprocess_corda

        config.corda_config = peft.tuners.lora.config.CordaConfig(corda_method="kpm")
        preprocess_corda(model, config, run_model=lambda: [model(row[None]) for row in tokens])
    if config.init_lora_weights == "lora_ga":
        from peft.tuners.lora.loraga import preprocess_loraga

        config.lora_ga_config = peft.tuners.lora.config.LoraGAConfig()
        preprocess_loraga(model, config, lambda: loss().backward())


def tuned_from(
    scheme: str, folder: Path, make: Callable[[], Any] = lora.bert, **settings: Any
) -> tuple[Any, dict[str, Tensor]]:
    """A model trained from such an initialisation, and its ΔW over the base as it was before that."""
    torch.manual_seed(0)
    model = make()
    model.save_pretrained(folder / "base")
    w0 = {name: tensor.double().clone() for name, tensor in model.state_dict().items()}
    given = {"r": 4, "lora_alpha": 6, "target_modules": ["query", "value"]} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = peft.LoraConfig(init_lora_weights=scheme, **given)
        prepare(model, config)
    tuned = peft.get_peft_model(model, config)
    tuned.save_pretrained(folder / "adapter" / f"{scheme.partition('_niter')[0]}_init")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    expected = {}
    for path, layer in tuned.get_base_model().named_modules():
        if hasattr(layer, "get_delta_weight"):
            now = layer.get_base_layer().weight.detach().double()
            now = now + layer.get_delta_weight("default").detach().double()
            if f"{path}.weight" in w0:  # a copied layer has none of its own
                expected[path] = now - w0[f"{path}.weight"]
    return tuned, expected


@pytest.mark.parametrize("scheme", ["pissa", "pissa_niter_4", "olora", "corda", "lora_ga"])
@pytest.mark.parametrize("rslora", [False, True])
def test_the_initial_adapter_beside_makes_it_readable(
    tmp_path: Path, scheme: str, rslora: bool
) -> None:
    tuned, expected = tuned_from(scheme, tmp_path, use_rslora=rslora)
    tuned.save_pretrained(tmp_path / "adapter")
    adapter = load_adapter(tmp_path / "adapter")
    found = deltas(adapter)
    assert found.keys() == expected.keys()
    for path, delta in expected.items():  # W0 less B₀·A₀ was rounded to float32
        assert torch.linalg.norm(found[path] - delta) < 2e-6 * torch.linalg.norm(delta), path
    assert "B₀" in adapter.notes[0]
    assert adapter.modules["query"].ranks == (8, 8)
    assert not adapter.left_out.keys() - {n for n in adapter.left_out if "classifier" in n}
    assert inspect(adapter).modules[0].rank == 8


def test_without_it_the_error_says_what_to_do(tmp_path: Path) -> None:
    tuned, _ = tuned_from("pissa", tmp_path)
    tuned.save_pretrained(tmp_path / "adapter")
    first = tmp_path / "adapter" / "pissa_init"
    config = json.loads((first / "adapter_config.json").read_text())
    (first / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 7}))
    with pytest.raises(AdapterError, match="pissa_init of .* has lora_alpha 7 and the adapter 6"):
        load_adapter(tmp_path / "adapter")
    (first / "adapter_config.json").write_text(json.dumps(config))
    # Read into memory, for the file is written over twice: an older library's tensors are the file's own bytes.
    tensors = load((first / "adapter_model.safetensors").read_bytes())
    cut = {name: tensor for name, tensor in tensors.items() if "layer.1" not in name}
    save_file(cut, first / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="pissa_init of .* has no .*layer.1"):
        load_adapter(tmp_path / "adapter")
    short = {name: t[:3] if "lora_A" in name else t[:, :3] for name, t in tensors.items()}
    save_file({n: t.contiguous() for n, t in short.items()}, first / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="not the adapter it was trained from"):
        load_adapter(tmp_path / "adapter")
    shutil.rmtree(first)
    with pytest.raises(AdapterError, match="the adapter is saved in, as pissa_init, or convert it"):
        load_adapter(tmp_path / "adapter")
    with pytest.raises(AdapterError, match="pissa_init"):
        load_adapter(tuned)


@pytest.mark.parametrize(
    ("key", "its"),
    [
        ("use_rslora", True),
        ("rank_pattern", {"key": 2}),
        ("alpha_pattern", {"query": 3}),
        ("fan_in_fan_out", True),
    ],
)
def test_an_initial_adapter_of_other_settings_is_refused(
    tmp_path: Path, key: str, its: object
) -> None:
    """Its s would be another, or its factors of other matrices, than those that are subtracted."""
    config = {"init_lora_weights": "pissa"}
    write_lora(tmp_path / "lora", BertLike(), config=config)
    write_lora(tmp_path / "lora" / "pissa_init", BertLike(), config=config | {key: its})
    with pytest.raises(AdapterError, match=f"pissa_init of .* has {key} .* and the adapter"):
        load_adapter(tmp_path / "lora")


def test_llama_factorys_backup_of_pissa_is_refused(tmp_path: Path) -> None:
    """Its ``PissaConvertCallback`` saves the trained adapter with ``init_lora_weights`` true, beside the converted one."""
    tuned, _ = tuned_from("pissa", tmp_path)
    tuned.peft_config["default"].init_lora_weights = True
    tuned.save_pretrained(tmp_path / "adapter" / "pissa_backup")
    with pytest.raises(AdapterError, match="B₀·A₀; take pissa_converted beside it, or the folder"):
        load_adapter(tmp_path / "adapter" / "pissa_backup")


@pytest.mark.parametrize("scheme", ["pissa", "olora"])
def test_copies_that_share_a_changed_w0_are_refused(tmp_path: Path, scheme: str) -> None:
    copied = [[0, 2], [0, 2]]
    tuned, _ = tuned_from(
        scheme, tmp_path, lora.llama, target_modules=["q_proj"], layer_replication=copied
    )
    tuned.save_pretrained(tmp_path / "adapter")
    with pytest.raises(AdapterError, match=f"by '{scheme}' with layer_replication.*share one W0"):
        load_adapter(tmp_path / "adapter", tmp_path / "base")


@pytest.mark.parametrize("tied", [True, False])
def test_that_a_tied_head_changes_the_embeddings_is_said(tmp_path: Path, tied: bool) -> None:
    def make() -> Any:
        config = lora.llama().config
        config.tie_word_embeddings = tied
        return type(lora.llama())(config)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, of tied weights
        tuned, _ = tuned_from("pissa", tmp_path, make, target_modules=["q_proj", "lm_head"])
        tuned.save_pretrained(tmp_path / "adapter")
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    said = [one for one in adapter.caveats if "shares W0 with the embeddings" in one]
    assert [one.partition(" shares")[0] for one in said] == ["lm_head"] * tied


@pytest.mark.parametrize("rslora", [False, True])
def test_pefts_own_conversion_is_plain_lora(tmp_path: Path, rslora: bool) -> None:
    tuned, expected = tuned_from("pissa", tmp_path, use_rslora=rslora)
    first = tmp_path / "adapter" / "pissa_init"
    config = json.loads((first / "adapter_config.json").read_text())
    (first / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": True}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned.save_pretrained(
            tmp_path / "converted", path_initial_model_for_weight_conversion=str(first)
        )
    adapter = load_adapter(tmp_path / "converted")
    found = deltas(adapter)
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 2e-6 * torch.linalg.norm(delta), path
    assert not adapter.notes


def _of_an_older_peft(folder: Path, version: str | None, *, alone: bool) -> None:
    """Another version in the configuration, and `alone` without ``gate_up_proj``, whose factors are within the others."""
    file = folder / "adapter_config.json"
    said = json.loads(file.read_text()) | {"peft_version": version}
    if alone:
        said["target_parameters"] = ["experts.down_proj"]
        tensors = load_file(folder / "adapter_model.safetensors")
        kept = {n: t for n, t in tensors.items() if ".experts.base_layer." not in n}
        save_file(kept, folder / "adapter_model.safetensors")
    file.write_text(json.dumps(said))


@pytest.mark.parametrize("version", ["0.18.1", None])
def test_stacks_of_a_peft_before_the_axes_were_settled(tmp_path: Path, version: str | None) -> None:
    """It gave A the first axis, which is the input's of stacks that lie turned; both of a module say so by their shapes."""
    expected = cases_of("peft_lora")["stacks that lie turned"](tmp_path)
    _of_an_older_peft(tmp_path / "adapter", version, alone=False)
    found = deltas(load_adapter(tmp_path / "adapter"))
    torch.testing.assert_close(found, dict(expected), rtol=1e-6, atol=1e-6)
    _of_an_older_peft(tmp_path / "adapter", version, alone=True)
    found = deltas(load_adapter(tmp_path / "adapter", tmp_path / "base"))
    alone = {n: d for n, d in expected.items() if "down" in n}
    torch.testing.assert_close(found, alone, rtol=1e-6, atol=1e-6)
    with pytest.raises(AdapterError, match="first axis of stacked experts"):
        load_adapter(tmp_path / "adapter")


def test_one_stack_whose_base_decides_which_side_is_as(tmp_path: Path) -> None:
    cases_of("peft_lora")["one such stack, whose shape does not tell"](tmp_path)
    assert deltas(load_adapter(tmp_path / "adapter", tmp_path / "base"))
    shutil.move(tmp_path / "base", tmp_path / "elsewhere")
    with pytest.raises(AdapterError, match=r"depends on its base, which is not here: pass --base"):
        load_adapter(tmp_path / "adapter")
    assert deltas(load_adapter(tmp_path / "adapter", tmp_path / "elsewhere"))


@pytest.mark.parametrize("alone", [False, True])
def test_stacks_whose_a_has_the_outputs_side(tmp_path: Path, alone: bool) -> None:
    """Of a PEFT before 0.19 and experts that lie (out, in): its ΔW of a stack was ``e i o`` of B and A."""
    cases_of("peft_lora")["stacks that PEFT names where their layers are asked for"](tmp_path)
    _of_an_older_peft(tmp_path / "adapter", "0.18.1", alone=alone)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    expected: dict[str, Tensor] = {}
    for name in [one for one in tensors if ".experts." in one and "lora_A" in one]:
        other = name.replace("lora_A", "lora_B")
        rank, last = (6, "gate_up_proj") if "base_layer" in name else (3, "down_proj")
        # The same numbers, of the other side: A as wide as ΔW is high.
        a, b = tensors[other].T.contiguous(), tensors[name].T.contiguous()
        tensors |= {name: a, other: b}
        apart = (b.double().reshape(len(b), rank, 3), a.double().reshape(3, rank, -1))
        module = name.split(".lora_A")[0].removeprefix("base_model.model.")
        for k, one in enumerate(2 * torch.einsum("ore,eri->eio", *apart)):
            expected[f"{module.replace('.base_layer', '')}.{k}.{last}"] = one
    save_file(tensors, file)
    if not alone:
        assert deltas(load_adapter(tmp_path / "adapter")).keys() >= expected.keys()
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    found = {n: d for n, d in deltas(adapter).items() if ".experts." in n}
    kept = {n: d for n, d in expected.items() if n in found}
    assert len(kept) == (6 if alone else 12)
    torch.testing.assert_close(found, kept)
    weights = open_base_of(adapter)
    for factors in adapter.modules.values():
        assert weights.w0(factors, 0).shape == (factors.out_features, factors.in_features)


def test_a_stack_of_another_rank_is_refused(tmp_path: Path) -> None:
    cases_of("peft_lora")["a stack of experts"](tmp_path)
    file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    for rank in (4, 0, 10**30, "3"):
        file.write_text(json.dumps(config | {"r": rank}))
        with pytest.raises(AdapterError, match="over all experts|a whole number above 0"):
            load_adapter(tmp_path / "adapter")


def test_a_factor_without_axes_is_refused(tmp_path: Path) -> None:
    cases_of("peft_lora")["two stacks"](tmp_path)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    for name in tensors:
        if "layers.1" in name:
            save_file(tensors | {name: torch.tensor(1.0)}, file)
            with pytest.raises(LensError):
                load_adapter(tmp_path / "adapter")


def test_what_is_no_convolution_is_refused(tmp_path: Path) -> None:
    shapes = [
        ((4, 3, 1, 1), (4, 4)),
        ((4, 3, 3, 3), (4, 4, 3, 3)),
        ((4,), (4, 4)),
        ((4,), (4,)),
        ((), ()),
    ]
    for a, b in shapes:
        tensors = {"x.lora_A.weight": torch.ones(a), "x.lora_B.weight": torch.ones(b)}
        save_file(tensors, tmp_path / "adapter_model.safetensors")
        write_config(tmp_path, base=None, r=4)
        with pytest.raises(AdapterError, match="expected those of a linear layer"):
            load_adapter(tmp_path)


def test_another_models_convolution_is_not_taken_for_its_own(tmp_path: Path) -> None:
    cases_of("peft_lora")["convolutions"](tmp_path)
    file = tmp_path / "base" / "model.safetensors"
    tensors = load_file(file)
    tensors["one.weight"] = torch.ones(6, 4, 5)
    tensors["two.weight"] = torch.ones(6, 4, 3, 3)
    save_file(tensors, file)
    adapter = load_adapter(tmp_path / "adapter", tmp_path / "base")
    for name in ("one", "two"):
        with pytest.raises(BaseModelError):
            open_base_of(adapter).w0(adapter.modules[name], 0)
