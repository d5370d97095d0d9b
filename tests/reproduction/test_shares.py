"""What the layers share: from two trained adapters to the page."""

import json
from dataclasses import replace

import pytest
from made_up_analysis import record

import lora_lens as ll
from lora_lens.chance.detectable import detectable_deviations
from lora_lens.reproduction.experiment.config import Analysis
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.numbers.shares import predicted_shares
from lora_lens.reproduction.page.parts.shared import shared_part
from lora_lens.reproduction.page.tables.shared import shared_table
from lora_lens.reproduction.runs.analysis import shared


@pytest.fixture(scope="module")
def analyses():
    adapters = {method: ll.load_adapter(ll.demo_adapter(method)) for method in ("lora", "condlora")}
    wanted = Analysis(("query",), shared_draws=59)
    one = record("query")
    one["query"]["shared"] = {
        method: shared(adapters, method, "query", wanted) for method in adapters
    }
    return {"stsb": {0: one}}


def test_every_factor_has_a_row_and_lora_alone_is_corrected(analyses) -> None:
    rows = {(one.method, one.matrix): one for one in predicted_shares(analyses, ["query"])}
    assert set(rows) == {(method, matrix) for method in ("lora", "condlora") for matrix in "AB"}
    a, b = rows["lora", "A"], rows["lora", "B"]
    assert b.share == pytest.approx(0.0405, abs=1e-3)
    assert b.share > b.flipped + 3 * b.flipped_sd
    assert b.p == pytest.approx(1 / 60)
    assert b.p_holm == pytest.approx(2 / 60)
    assert a.p_holm == pytest.approx(max(a.p, b.p_holm))
    assert b.detectable == pytest.approx(detectable_deviations(0.025, 59) * b.flipped_sd)
    assert b.of == 6
    for matrix in "AB":
        assert rows["condlora", matrix].whole
        assert rows["condlora", matrix].p_holm != rows["condlora", matrix].p_holm
    # θ of LoRA's other layers says what it says of CondLoRA's, and the other way round.
    assert 0 <= b.carried <= 1
    assert len(shared_table(list(rows.values())).rows) == 4
    row = json.loads(json.dumps(rows["condlora", "A"].row(), allow_nan=False))
    assert row["p_holm"] is None
    assert row["share"] == pytest.approx(1)


def test_the_page_says_it(analyses) -> None:
    config = read_config("mpnet")
    config = replace(config, analysis=replace(config.analysis, modules=("query",)))
    tables = {"shared": shared_table(predicted_shares(analyses, ["query"]))}

    class Found:
        pass

    found = Found()
    found.analyses = analyses
    said = "\n".join(shared_part(config, found, tables))
    assert "**query, B**: the other layers' θ predicts 0.04" in said
    assert "beyond them in 1 of 1 adapters" in said
    assert "**query, A**" in said
    assert "beyond them in 0 of 1 adapters" in said
    assert "would have been seen in 80 of 100 cases" in said
    assert "**CondLoRA**: 1.0000 of every" in said


def test_records_from_before_have_no_rows() -> None:
    old = record("query")
    del old["query"]["shared"]
    assert predicted_shares({"stsb": {0: old}}, ["query"]) == []
