import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import write_config, write_tensors
from measured import collisions, words_of
from planted import plant, tensor, unit

from lora_lens import demo_adapter, load_adapter, suggest_ranks
from lora_lens.errors import LensError
from lora_lens.questions.spectrum.suggestion_result import RankSuggestion, SuggestedRank

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")


def pasted(suggestion: RankSuggestion) -> dict[str, Any]:
    """What a person gets who pastes the snippet between the brackets of a call."""
    return eval(f"dict(\n{suggestion.snippet()})")


def factors(*s: float) -> tuple[np.ndarray, np.ndarray]:
    positions = range(len(s))
    return unit(8, *positions) * s, unit(8, *positions).T


def test_known_ranks_and_shares(tmp_path: Path) -> None:
    planted = [factors(3, 1, 0), factors(1, 1, 1), factors(2, 1, 1)]
    adapter = plant(tmp_path, [np.eye(8)] * 3, planted, scaling=2)
    found = suggest_ranks(adapter, 0.9)
    assert [one.suggested for one in found.layers] == [1, 3, 3]
    assert [one.kept for one in found.layers] == pytest.approx([0.9, 1, 1])
    assert list(found.alpha_pattern.values()) == [2, 6, 6]
    assert found.parameters == (9 * 16, 7 * 16)
    assert [one.suggested for one in suggest_ranks(adapter, 0.6).layers] == [1, 2, 1]


def small_bert(layers: int) -> Any:
    return transformers.BertConfig(
        hidden_size=8, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=8, vocab_size=11
    )  # fmt: skip


def test_stock_peft_gives_the_model_those_ranks_and_scalings(tmp_path: Path) -> None:
    config = small_bert(12)
    model = transformers.BertForSequenceClassification(config)
    ranks = [1 + layer % 3 for layer in range(12)]
    planted = [factors(*[1.0] * rank, *[1e-3] * (4 - rank)) for rank in ranks]
    found = suggest_ranks(plant(tmp_path, [np.eye(8)] * 12, planted, scaling=np.sqrt(2)))
    tuned = peft.get_peft_model(
        model, peft.LoraConfig(r=7, lora_alpha=5, target_modules=["value"], **pasted(found))
    )
    for layer, rank in enumerate(ranks):
        value = tuned.base_model.model.bert.encoder.layer[layer].attention.self.value
        assert value.r["default"] == rank
        assert value.scaling["default"] == pytest.approx(np.sqrt(2))


def test_a_path_that_ends_another_is_anchored() -> None:
    names = ("layers.1.q", "encoder.layers.1.q", "encoder.layers.11.q")
    entries = tuple(SuggestedRank(name, 8, k + 1, 1.0, 0.5, 20) for k, name in enumerate(names))
    found = pasted(RankSuggestion(0.95, entries))
    assert found["rank_pattern"] == {
        r"^layers\.1\.q": 1,
        "encoder.layers.1.q": 2,
        "encoder.layers.11.q": 3,
    }
    from peft.utils.other import get_pattern_key

    for k, name in enumerate(names):
        key = get_pattern_key(found["rank_pattern"].keys(), name)
        assert (found["rank_pattern"][key], found["alpha_pattern"][key]) == (k + 1, (k + 1) / 2)


def test_a_fused_projection_gets_one_rank(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 6)), rng.standard_normal((18, 4)) * [5, 2, 1, 0.1]
    name = "base_model.model.transformer.h.0.attn.c_attn"
    write_tensors(
        tmp_path, {f"{name}.lora_A.weight": tensor(a), f"{name}.lora_B.weight": tensor(b)}
    )
    write_config(tmp_path, base=None, r=4, fan_in_fan_out=True)
    adapter = load_adapter(tmp_path)
    assert len(adapter.modules) == 3
    (one,) = suggest_ranks(adapter, 0.8).layers
    energy = np.cumsum(np.linalg.svd(b @ a)[1][:4] ** 2)
    assert one.suggested == int(np.argmax(energy / energy[-1] >= 0.8)) + 1
    assert one.kept == pytest.approx(energy[one.suggested - 1] / energy[-1])
    assert (one.name, one.features) == ("transformer.h.0.attn.c_attn", 24)


def test_cutting_there_leaves_the_error_it_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    b, a = rng.standard_normal((8, 5)), rng.standard_normal((5, 8))
    (one,) = suggest_ranks(plant(tmp_path, [np.eye(8)], [(b, a)]), 0.85).layers
    u, s, vh = np.linalg.svd(b @ a)
    cut = (u[:, : one.suggested] * s[: one.suggested]) @ vh[: one.suggested]
    error = np.linalg.norm(b @ a - cut) / np.linalg.norm(b @ a)
    assert one.kept is not None
    assert error == pytest.approx(np.sqrt(1 - one.kept))
    assert error <= np.sqrt(0.15)


def test_a_zero_layer_is_left_out_of_the_patterns(tmp_path: Path) -> None:
    b, a = factors(1, 1)
    found = suggest_ranks(plant(tmp_path, [np.eye(8)] * 2, [(b, a), (0 * b, a)]))
    assert list(found.rank_pattern) == ["bert.encoder.layer.0.attention.self.value"]
    assert found.zero == ("bert.encoder.layer.1.attention.self.value",)
    assert all(re.fullmatch(r"[\w.]+", key) for key in found.rank_pattern)


def test_pasted_into_peft_a_zero_layer_trains_nothing_and_all_is_as_promised(
    tmp_path: Path,
) -> None:
    b, a = factors(1, 1, 1, 1)
    planted = [(b, a), (0 * b, a), (b * [1, 1e-3, 1e-3, 1e-3], a)]
    found = suggest_ranks(plant(tmp_path, [np.eye(8)] * 3, planted))
    config = small_bert(3)
    tuned = peft.get_peft_model(
        transformers.BertModel(config),
        peft.LoraConfig(r=4, target_modules=["value"], **_below_the_head(pasted(found))),
    )
    trained, _ = tuned.get_nb_trainable_parameters()
    assert trained == found.parameters[1] == (4 + 0 + 1) * 16


def _below_the_head(said: dict[str, Any]) -> dict[str, Any]:
    """The same paths in a BertModel, which has no ``bert.`` before them."""
    text = json.dumps(said).replace('"bert.', '"')
    return dict(json.loads(text))


def test_a_zero_path_that_ends_another_is_excluded_alone() -> None:
    names = ("layers.1.q", "encoder.layers.1.q")
    entries = (
        SuggestedRank(names[0], 8, 0, None, 1.0, 16),
        SuggestedRank(names[1], 8, 2, 1.0, 1.0, 16),
    )
    said = pasted(RankSuggestion(0.95, entries))
    from peft.tuners.tuners_utils import check_target_module_exists

    config = peft.LoraConfig(target_modules=["q"], **said)
    assert [bool(check_target_module_exists(config, name)) for name in names] == [False, True]


def test_where_every_layer_is_zero_there_is_nothing_to_paste(tmp_path: Path) -> None:
    b, a = factors(1, 1)
    found = suggest_ranks(plant(tmp_path, [np.eye(8)] * 2, [(0 * b, a)] * 2))
    assert found.snippet() == ""
    assert found.summary == "No rank is suggested: ΔW is zero in every layer"
    assert not any(name.endswith(".txt") for name in found.save(tmp_path / "files"))


def test_it_is_saved_and_shown_as_other_results_are(tmp_path: Path) -> None:
    found = suggest_ranks(load_adapter(demo_adapter("lora")), 0.9)
    assert found.summary in found.to_markdown()
    assert r"\toprule" in found.to_latex()
    names = found.save(tmp_path / "ranks")
    assert sorted(names) == sorted(one.name for one in (tmp_path / "ranks").iterdir())
    told = json.loads((tmp_path / "ranks" / "rank-suggestion.json").read_text("utf-8"))
    assert told == found.to_dict()
    rows = (tmp_path / "ranks" / "rank-suggestion.csv").read_text("utf-8").splitlines()
    assert len(rows) == len(found.layers) + 1


def test_the_figure_has_a_rank_in_every_cell_and_nothing_where_no_module_is() -> None:
    layers = [
        SuggestedRank(f"model.layers.{layer}.mlp.{name}", 8, rank, 0.95, 1.0, 16)
        for layer, pair in enumerate([(1, 3), (0, 8), (2, 5)])
        for name, rank in zip(("up_proj", "down_proj"), pair, strict=True)
    ]
    head = SuggestedRank("lm_head", 8, 4, 0.95, 1.0, 16)
    figure = RankSuggestion(0.95, (*layers, head)).plot(width="3.25in")
    figure.draw_without_rendering()
    ax = figure.axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["up_proj", "down_proj", "lm_head"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "–"]
    drawn = {text.get_position(): text.get_text() for text in ax.texts}
    ranks = {0: "102", 1: "385"}
    assert drawn == {(x, y): r for y, row in ranks.items() for x, r in enumerate(row)} | {
        (3, 2): "4"
    }
    assert ax.collections[0].get_clim() == (0, 8)
    assert not collisions(words_of(figure))


def test_where_no_rank_is_suggested_there_is_no_figure_and_an_empty_table() -> None:
    nothing = RankSuggestion(0.95, ())
    with pytest.raises(LensError, match="nothing to draw"):
        nothing.plot()
    assert "<table>" in nothing._repr_html_()


def test_a_notebook_shows_the_first_rows_and_says_how_many_are_left() -> None:
    many = RankSuggestion(
        0.95, tuple(SuggestedRank(f"h.{k}.q", 8, 1, 0.95, 1.0, 16) for k in range(100))
    )
    assert many._repr_html_().count("<tr>") == 1 + 24
    assert "and 76 rows more" in many._repr_html_()


def test_a_dtype_that_changes_nothing_is_met_with_a_warning_at_the_call() -> None:
    adapter = load_adapter(demo_adapter("lora"))
    expected = suggest_ranks(adapter)
    with pytest.warns(DeprecationWarning, match="dtype of suggest_ranks has no effect") as told:
        assert suggest_ranks(adapter, dtype="float32") == expected
    assert told[0].filename == __file__
