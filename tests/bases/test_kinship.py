"""A base of another architecture with the same names and sizes: real models of one size, saved by their libraries."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from second_routes import with_newer_tables

import lora_lens as ll
from lora_lens.bases.configuration import configuration_of
from lora_lens.bases.families import PREFIXES, folder, with_prefix
from lora_lens.bases.kinship import check_kinship
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import BaseModelError

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 11, "max_position_embeddings": 8,
}  # fmt: skip


def model(kind: str, head: str = "Model") -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES)
    return getattr(transformers, f"{kind}{head}")(config)


@pytest.fixture
def bases(tmp_path: Path) -> dict[str, str]:
    """Bare models, whose names have no prefix, and `Roberta whole`, whose names have."""
    found = {}
    for kind in ("Bert", "Roberta", "XLMRoberta", "Camembert", "Electra"):
        model(kind).save_pretrained(tmp_path / kind)
        found[kind] = str(tmp_path / kind)
    model("Roberta", "ForMaskedLM").save_pretrained(tmp_path / "whole")
    return found | {"Roberta whole": str(tmp_path / "whole")}


def tuned(
    folder: Path, kind: str, head: str, task_type: str | None, named: str | None = None
) -> ll.Adapter:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["query", "value"], task_type=task_type)
    adapted = peft.get_peft_model(model(kind, head), config)
    for name, factor in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(factor)
    adapted.save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": named}))
    return ll.load_adapter(folder)


CLASSIFIER = "ForSequenceClassification"


@pytest.mark.parametrize(
    ("head", "task_type", "said"),
    [
        (CLASSIFIER, None, "the adapter's model was of transformers.models.bert.modeling_bert"),
        ("Model", None, "the adapter's model was of transformers.models.bert.modeling_bert"),
        (CLASSIFIER, "SEQ_CLS", "the names of the adapter's modules begin with bert"),
    ],
)
def test_an_adapter_of_bert_does_not_take_the_base_of_another(
    bases: dict[str, str], tmp_path: Path, head: str, task_type: str | None, said: str
) -> None:
    adapter = tuned(tmp_path / "lora", "Bert", head, task_type)
    assert ll.amplification(adapter, "value", base=bases["Bert"]).notes == ()
    for other, type_ in (
        ("Roberta", "roberta"),
        ("Roberta whole", "roberta"),
        ("XLMRoberta", "xlm-roberta"),
        ("Electra", "electra"),
    ):
        for base in (bases[other], ll.open_base(bases[other])):
            with pytest.raises(BaseModelError) as caught:
                ll.conversion_similarity(adapter, "value", base=base, draws=0)
            assert f"it is a {type_} by its config.json, but {said}" in str(caught.value)
            assert "\n" not in str(caught.value)


def test_names_and_sizes_do_fit_which_is_why_it_is_checked(
    bases: dict[str, str], tmp_path: Path
) -> None:
    adapter = tuned(tmp_path / "lora", "Bert", CLASSIFIER, None)
    factors = adapter.modules["value"]
    assert ll.open_base(bases["Roberta"]).w0(factors, 0).shape == (16, 16)


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "Camembert"])
@pytest.mark.parametrize("task_type", [None, "SEQ_CLS"])
def test_names_of_one_architecture_are_no_difference(
    bases: dict[str, str], tmp_path: Path, kind: str, task_type: str | None
) -> None:
    adapter = tuned(tmp_path / "lora", kind, CLASSIFIER, task_type)
    for base in ("Roberta", "XLMRoberta", "Camembert", "Roberta whole"):
        assert open_base_of(adapter, bases[base]).notes == ()
    with pytest.raises(BaseModelError, match="not the adapter's base model"):
        open_base_of(adapter, bases["Bert"])


def test_the_base_that_the_adapter_names_tells(bases: dict[str, str], tmp_path: Path) -> None:
    """Of a task type, and without a head: neither class nor prefix is in the files."""
    adapter = tuned(tmp_path / "lora", "Bert", "Model", "FEATURE_EXTRACTION", bases["Bert"])
    assert open_base_of(adapter).notes == ()
    write_base(tmp_path / "other", BertLike(model_type="bert"))
    assert open_base_of(adapter, str(tmp_path / "other")).notes == ()
    with pytest.raises(
        BaseModelError, match=f"{bases['Bert']}, which the adapter names, is a bert"
    ):
        open_base_of(adapter, bases["Roberta"])
    with pytest.raises(BaseModelError, match="which the adapter names"):
        open_base_of(ll.load_adapter(tmp_path / "lora", bases["Roberta"]))


def test_what_cannot_be_known_is_noted_once_the_user_names_the_base(
    bases: dict[str, str], tmp_path: Path
) -> None:
    adapter = tuned(tmp_path / "lora", "Bert", "Model", "FEATURE_EXTRACTION", "not/here")
    for result in (
        ll.conversion_similarity(adapter, "value", base=bases["Roberta"], draws=0),
        ll.amplification(adapter, "value", base=bases["Roberta"]),
        ll.spectrum(adapter, "value", base=bases["Roberta"], draws=0),
        ll.rank_grids(adapter, None, "value", base=bases["Roberta"], draws=0),
        ll.outliers(adapter, "value", base=bases["Roberta"], draws=2),
    ):
        assert any(
            "architecture that the adapter was trained on is not known" in note
            for note in result.notes
        )
    named = tuned(tmp_path / "named", "Bert", "Model", "FEATURE_EXTRACTION", bases["Roberta"])
    assert open_base_of(named).notes == ()
    assert open_base_of(named, bases["Roberta"]).notes == ()


def test_a_base_without_a_configuration_tells_by_its_names(
    bases: dict[str, str], tmp_path: Path
) -> None:
    adapter = tuned(tmp_path / "lora", "Bert", CLASSIFIER, "SEQ_CLS")
    (Path(bases["Roberta whole"]) / "config.json").unlink()
    with pytest.raises(BaseModelError, match="its tensors' names begin with roberta, but"):
        open_base_of(adapter, bases["Roberta whole"])
    (Path(bases["Bert"]) / "config.json").unlink()
    assert "is not known" in open_base_of(adapter, bases["Bert"]).notes[0]


def test_a_class_of_somebodys_own_may_call_any_model_bert(
    bases: dict[str, str], tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = model("Roberta")

    adapted = peft.get_peft_model(Own(), peft.LoraConfig(r=2, target_modules=["value"]))
    adapted.save_pretrained(tmp_path / "lora")
    base = open_base_of(ll.load_adapter(tmp_path / "lora", bases["Roberta"]))
    assert "may be another model than the adapter's" in base.notes[0]


def test_a_hub_id_that_the_adapter_names_outweighs_what_a_class_calls_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repository, commit = tmp_path / "cache" / "models--some--model", "a1" * 20
    write_base(repository / "snapshots" / commit, BertLike(model_type="roberta"))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    write_lora(tmp_path / "lora", BertLike(), base="some/model")
    base = open_base_of(ll.load_adapter(tmp_path / "lora"))
    assert "it is a roberta by its config.json, but the names of the adapter's" in base.notes[0]
    mapping = {"parent_library": "transformers.models.bert.modeling_bert"}
    write_lora(tmp_path / "lora", BertLike(), base="some/model", config={"auto_mapping": mapping})
    with pytest.raises(BaseModelError, match="not the adapter's base model"):
        open_base_of(ll.load_adapter(tmp_path / "lora"))


def test_condlora_too_is_not_made_of_another_architectures_w0(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", BertLike(model_type="mpnet"))
    prefix = "base_model.model.bert.encoder.layer"
    tensors = {
        f"{prefix}.{k}.attention.self.value.lora_A.weight": random(4, 24, seed=k) for k in range(3)
    }
    tensors |= {name.replace("_A", "_B"): t.T.contiguous() for name, t in tensors.items()}
    write_tensors(tmp_path / "lora", tensors)
    write_config(tmp_path / "lora", base=str(base), r=4)
    with pytest.raises(BaseModelError, match="it is a mpnet by its config.json"):
        open_base_of(ll.load_adapter(tmp_path / "lora"))
    from lora_lens.formats.opening import open_adapter

    with pytest.raises(BaseModelError, match="it is a mpnet by its config.json"):
        open_adapter(tmp_path / "lora").open_base()


QWEN_VL = {
    "model_type": "qwen2_vl",
    "text_config": {"model_type": "qwen2_vl_text"},
    "vision_config": {"model_type": "qwen2_vl"},
}
TWO_BERTS = {
    "model_type": "encoder-decoder",
    "encoder": {"model_type": "bert"},
    "decoder": {"model_type": "bert"},
}
LLAVA = {
    "model_type": "llava",
    "text_config": {"model_type": "llama"},
    "vision_config": {"model_type": "clip_vision_model"},
}


@pytest.mark.parametrize(
    ("named", "base", "known"),
    [
        (
            {"model_type": "bert"},
            {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
            True,
        ),
        ({"model_type": "roberta"}, {"model_type": "camembert"}, True),
        ({"model_type": "mistral"}, {"model_type": "llama"}, None),
        ({"model_type": "mpnet"}, {"model_type": "bert"}, None),
        (LLAVA, {"model_type": "llama"}, False),  # whose weights LLaVA's training changed
        (TWO_BERTS, TWO_BERTS, True),
        (TWO_BERTS, {"model_type": "bert"}, None),
        ({"model_type": "llama"}, LLAVA, True),
        (LLAVA, {"model_type": "mistral"}, False),  # a whole of unknown parts is not refused
        (QWEN_VL, {"model_type": "qwen2_vl_text"}, True),
        ({"model_type": "gemma3"}, {"model_type": "gemma3_text"}, True),
        ({"model_type": "phi"}, {"model_type": "phi-msft", "auto_map": {}}, False),
        ({"model_type": "bert", "auto_map": {}}, {"model_type": "roberta"}, False),
        ({}, {"model_type": "bert"}, False),
        ({"model_type": "bert"}, {}, False),
    ],
)
def test_two_configurations(
    named: Mapping[str, Any], base: Mapping[str, Any], known: bool | None
) -> None:
    """None for a base that is refused."""
    origin, one, other = (
        ll.adapter.Origin("some/model"),
        configuration_of(named),
        configuration_of(base),
    )
    if known is None:
        with pytest.raises(BaseModelError, match="some/model, which the adapter names, is a"):
            check_kinship(origin, one, "base", other)
    else:
        assert check_kinship(origin, one, "base", other).known is known


def test_the_class_of_two_models_tells_too() -> None:
    library = "transformers.models.encoder_decoder.modeling_encoder_decoder"
    with pytest.raises(BaseModelError, match="it is a bert by its config.json"):
        check_kinship(
            ll.adapter.Origin(library=library),
            None,
            "base",
            configuration_of({"model_type": "bert"}),
        )


def test_a_made_adapter_of_bert_refuses_a_demo_of_another(bert: BertLike, tmp_path: Path) -> None:
    write_base(tmp_path / "mpnet", BertLike(model_type="mpnet"))
    write_lora(tmp_path / "lora", bert, base=str(tmp_path / "mpnet"))
    with pytest.raises(BaseModelError, match="mpnet is not the adapter's base model"):
        open_base_of(ll.load_adapter(tmp_path / "lora"))


@with_newer_tables
def test_the_table_says_what_transformers_says() -> None:
    transformers = pytest.importorskip("transformers")
    models = Path(transformers.__file__).parent / "models"
    prefix = re.compile(r'base_model_prefix = "([^"]*)"')
    kind = re.compile(r'model_type(?:: \w+)? = "([^"]+)"')
    found: dict[str, set[str]] = {}
    types: dict[str, set[str]] = {}
    for place in models.iterdir():
        for pattern, files, where in ((prefix, "modeling", found), (kind, "configuration", types)):
            texts = [file.read_text(encoding="utf-8") for file in place.glob(f"{files}_*.py")]
            where[place.name] = {each for text in texts for each in pattern.findall(text)}
    for one, said in PREFIXES.items():
        assert one in types[folder(one)]
        if said is not None:
            assert said in found[folder(one)]
        else:
            assert not any(with_prefix(each) for each in found[folder(one)]), one
    # Whatever else begins with one of these words is known to.
    assert not {
        (word, place)
        for place, words in found.items()
        for word in words
        if with_prefix(word) and place not in {folder(one) for one in with_prefix(word)}
    }
