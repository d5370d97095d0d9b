"""The page of results: what it says of finished, partial and bad experiments."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_analysis import record, seeds

from lora_lens.reproduction.experiment.config import Analysis
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.numbers.equivalence import Difference
from lora_lens.reproduction.numbers.judged import Judged, judged
from lora_lens.reproduction.numbers.longer import LongerRun
from lora_lens.reproduction.numbers.scores import TaskScores
from lora_lens.reproduction.numbers.shares import predicted_shares
from lora_lens.reproduction.page.claims import _learnt, _shared, _table4, _together, claims
from lora_lens.reproduction.page.page import results_page
from lora_lens.reproduction.page.tables.every import tables_of
from lora_lens.reproduction.runs.collect import Found
from lora_lens.reproduction.runs.steps import plan

CONFIG = read_config("mpnet")
RELATION = "… and that is a relation of W0 and the trained factors"
RATES = {"lora": 1e-3, "condlora": 2e-3}
SCORES = [
    TaskScores("stsb", "pearson", 0.0, {"lora": {0: 0.885, 1: 0.887}, "condlora": {0: 0.884, 1: 0.886}}, RATES,
               {"lora": {0: [(1.0, 0.8), (2.0, 0.9)]}}, 1500),
    TaskScores("mrpc", "accuracy", 0.684, {"lora": {0: 0.87, 1: 0.88}, "condlora": {0: 0.83, 1: 0.84}}, RATES, {}, 408),
    TaskScores("rte", "accuracy", 0.473, {"lora": {0: 0.53, 1: 0.55}, "condlora": {0: 0.54, 1: 0.56}}, RATES, {}, 277),
]  # fmt: skip
SPEED = {
    "methods": {
        "lora": {"trainable_parameters": 294_912, "examples_per_second": 5.5, "bytes": 2**28, "memory": "x"},
        "condlora": {"trainable_parameters": 24_576, "examples_per_second": 5.4, "bytes": 2**28, "memory": "x"},
    },
    "condlora_over_lora": 0.99, "device": "cpu", "threads": 1, "batch_size": 16, "tokens": 64, "steps": 50,
}  # fmt: skip


def within_one(each: tuple[float, ...], rows: int, error: float) -> Judged:
    covariance = np.full((len(each), len(each)), error**2)
    mean = float(np.mean(each))
    found = Difference("condlora", "lora", (0, 1), each, rows, covariance, (mean - 2 * error, mean + 2 * error))  # fmt: skip
    return judged(found, CONFIG.equivalence.margin)


def found(out: Path, **parts) -> Found:
    whole = Found(
        steps=tuple((step, step.task != "cola") for step in plan(CONFIG, out)),
        scores=SCORES,
        judged={
            "stsb": [within_one((-0.001, -0.001), 1500, 0.002)],
            "mrpc": [within_one((-0.04, -0.041), 408, 0.01)],
        },
        unpaired=(),
        longer=[
            LongerRun("stsb", "pearson", "lora", 0, 6, 12, 0.89, 0.892, 0.885, 0.886, learnt=True),
            LongerRun(
                "mrpc", "accuracy", "condlora", 0, 8, 16, 0.84, 0.86, 0.83, 0.85, learnt=True
            ),
        ],
        analyses={"stsb": seeds(2, record("v") | record("q"))},
        speed=SPEED,
    )
    return replace(whole, **parts)


def page(out: Path, **parts) -> str:
    these = found(out, **parts)
    tables = {name: table for name, (table, _) in tables_of(CONFIG, these).items()}
    return results_page(CONFIG, these, tables, ["scores.png"])


def test_more_epochs_beside_the_difference_of_the_two(tmp_path: Path) -> None:
    lora = LongerRun("stsb", "pearson", "lora", 0, 6, 12, 0.89, 0.892, 0.885, 0.886, learnt=True)
    condlora = replace(lora, method="condlora", test=0.86, longer_test=0.881)
    other = replace(condlora, seed=1)  # whose LoRA is not there
    text = page(tmp_path, longer=[lora, condlora, other])
    said = "On STS-B's test rows CondLoRA less LoRA with seed 0 is −0.5 points with more epochs, where it was −2.5 (one seed, whose error is not reckoned here)."
    assert text.count("with more epochs, where") == text.count(said) == 1
    unlearnt = replace(condlora, learnt=False)
    assert "with more epochs, where" not in page(tmp_path, longer=[lora, unlearnt])


def test_runs_of_more_epochs_with_several_seeds_are_told_apart(tmp_path: Path) -> None:
    """One pair was said to gain half a point, and not to."""
    one = LongerRun("stsb", "pearson", "lora", 0, 6, 18, 0.89, 0.892, 0.885, 0.886, learnt=True)
    text = page(tmp_path, longer=[one, replace(one, seed=1, longer_development=0.92)])
    assert "less than half a point on the development rows: STS-B by LoRA (seed 0)." in text
    assert "do not count as finished: STS-B by LoRA (seed 1)." in text


def test_a_configuration_of_ones_own_is_not_asked_for_by_its_name(tmp_path: Path) -> None:
    these = found(tmp_path)
    tables = {name: table for name, (table, _) in tables_of(CONFIG, these).items()}
    text = results_page(replace(CONFIG, name="mine"), these, tables, ["scores.png"])
    assert "    lora-lens reproduce CONFIG.toml --out FOLDER --print\n" in text
    assert "CONFIG.toml the configuration mine." in text
    assert "    lora-lens reproduce mpnet --out FOLDER --print\n" in page(tmp_path)


def test_it_says_what_is_there_and_what_follows(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "32 of 41 steps are done; this page says what they show, and no more" in text
    assert "Next is: run cola lora, seed 0." in text
    assert "![Test scores by task, a mark a seed; hollow: not learnt](figures/scores.png)" in text
    assert "figures/curves.png" not in text
    assert "**STS-B**, 1,500 test rows and 2 seeds: these can decide a margin of 0.6 points" in text
    assert "More epochs gain less than half a point on the development rows: STS-B by LoRA." in text
    assert "so that these runs do not count as finished: MRPC by CondLoRA." in text
    assert (
        "Not known yet, for there is no run of more epochs: STS-B by CondLoRA, MRPC by LoRA, RTE by LoRA, RTE by CondLoRA."
        in text
    )
    assert "(but CondLoRA's on MRPC, LoRA's on CoLA, CondLoRA's on CoLA, given)" in text
    assert "**RTE**: Not learnt, at 58.7 or below: LoRA with seed 0 (53.0)" in text
    assert "SNLI and MultiNLI among them" in text
    assert "| target modules" in text
    assert "Nothing of this" not in text
    for name, (table, _) in tables_of(CONFIG, found(tmp_path)).items():
        assert (f"**{table.title}**" in text) == (not name.startswith("conversions-"))


def test_too_few_flips_are_told_and_not_counted_as_none(tmp_path: Path) -> None:
    """Of 64 rows 999 flips can find none, and nine tenths were "beyond them in 0 of 16 adapters"."""
    these = found(tmp_path)
    many = {task: seeds(64, records[0]) for task, records in these.analyses.items()}
    shares = predicted_shares(many, ["v"])
    rows = 2 * sum(one.method == "lora" for one in shares)  # of q, too
    assert all(math.isnan(one.detectable) for one in shares if one.method == "lora")
    few = replace(these, scores=learnt_with(64), analyses=many)
    tables = {name: table for name, (table, _) in tables_of(CONFIG, few).items()}
    text = results_page(CONFIG, few, tables, ["scores.png"])
    said = f"999 flips are too few to find any of {rows} factors ({20 * rows - 1:,} are needed"
    assert text.count(said) == 2 * (2 * 2)  # of each module and factor, there and among the claims
    assert "it is beyond them in" not in text


def test_claims_agree_do_not_or_cannot_be_told(tmp_path: Path) -> None:
    verdicts = {one.claim: one for one in claims(CONFIG, found(tmp_path))}
    scores = verdicts["CondLoRA scores as LoRA does (Table 2)"]
    assert scores.verdict == "does not agree"
    said = "STS-B −0.1, equivalent within 1; MRPC −4.0, different; not learnt: RTE; not finished: MRPC by CondLoRA"
    assert scores.here == said
    fewer = verdicts["CondLoRA has 1/12 of LoRA's parameters, one θ for twelve layers"]
    assert fewer.here == "1/12: 24,576 of 294,912, 12 layers"
    assert fewer.verdict == "agrees"
    assert verdicts["CondLoRA trains 1.016 times as fast (Table 4)"].verdict == "cannot be told"
    for matrix in ("A", "B"):
        relation = verdicts[f"{RELATION}, v, {matrix}"]
        assert relation.verdict == "agrees"
        said = f"predicts 0.050 of {matrix} where chance gives 0.020, beyond it in 2 of 2 adapters"
        assert relation.here.endswith(said)


def test_runs_that_are_not_finished_are_said_where_their_scores_stand(tmp_path: Path) -> None:
    longer = LongerRun(
        task="mrpc", metric="accuracy", method="condlora", seed=0, epochs=8, longer_epochs=16,
        development=0.80, longer_development=0.83, test=0.8, longer_test=0.8, learnt=True,
    )  # fmt: skip
    these = replace(found(tmp_path), longer=[longer])
    assert claims(CONFIG, these)[0].here.endswith("; not finished: MRPC by CondLoRA")
    more = [longer, replace(longer, seed=1), replace(longer, method="adalora")]
    assert claims(CONFIG, replace(these, longer=more)) == claims(CONFIG, these)
    tables = {name: table for name, (table, _) in tables_of(CONFIG, these).items()}
    lines = results_page(CONFIG, these, tables, ["scores.png"]).splitlines()
    said = (
        "Not finished: more epochs gain 3.0 points on the development rows by CondLoRA with seed 0"
    )
    assert [line[:10] for line in lines if said in line] == ["- **MRPC**"]
    done = replace(these, longer=[replace(longer, longer_development=0.80)])
    assert "not finished" not in claims(CONFIG, done)[0].here


def test_each_factor_is_told_by_itself_and_what_would_have_been_seen_of_it(tmp_path: Path) -> None:
    """B is decided, and one row of A and B together was "cannot be told"."""
    these = found(tmp_path)
    rows = [
        replace(one, p_holm=1.0, detectable=0.0042) if one.matrix == "A" else one
        for one in predicted_shares(these.analyses, ["v"])
        if one.method == "lora"
    ]
    a, b = _shared(rows, _learnt(these, "lora"), "v", "")
    assert (a.claim, a.verdict) == (f"{RELATION}, v, A", "cannot be told")
    assert (b.claim, b.verdict) == (f"{RELATION}, v, B", "agrees")
    assert ", beyond it in 0 of 2 adapters, where an excess of 0.004 would have been seen" in a.here
    assert b.here.endswith("beyond it in 2 of 2 adapters")
    (only,) = _shared(rows[1::2], _learnt(these, "lora"), "v", "")
    assert only == b


def learnt_with(count: int, score: float = 0.88) -> list[TaskScores]:
    """STS-B's scores by both methods with so many seeds."""
    scores = {method: dict.fromkeys(range(count), score) for method in ("lora", "condlora")}
    return [replace(SCORES[0], scores=scores)]


ANALYSED = (
    "LoRA's conversions are alike across layers beside unrelated subspaces (Figure 1), v",
    f"{RELATION}, v, A",
    f"{RELATION}, v, B",
    "LoRA's and CondLoRA's own subspaces differ (Table 3), v",
)


@pytest.mark.parametrize("scores", [learnt_with(2, 0.01), []])
def test_runs_that_did_not_learn_decide_no_claim(tmp_path: Path, scores: list[TaskScores]) -> None:
    """ "agrees" was said of what a run of sixty steps has, too."""
    for analyses in (
        None,
        {"stsb": seeds(2, before_shares("v", excess=0.02) | before_shares("q"))},
    ):
        given = {} if analyses is None else {"analyses": analyses}
        listed = {one.claim: one for one in claims(CONFIG, found(tmp_path, **given))}
        assert "agrees" in {listed[name].verdict for name in ANALYSED}
        these = found(tmp_path, scores=scores, **given)
        listed = {one.claim: one for one in claims(CONFIG, these)}
        for name in ANALYSED:
            assert listed[name].verdict == "cannot be told"
            assert listed[name].here.endswith("; no run of these is known to have learnt its task")


def test_claims_are_of_the_runs_that_learnt_and_name_the_others(tmp_path: Path) -> None:
    one = record("v") | record("q")
    both = found(tmp_path).scores[0]
    other = replace(both, scores=both.scores | {"condlora": {0: 0.88, 1: 0.01}})
    these = found(
        tmp_path, scores=[other, SCORES[2]], analyses={"stsb": seeds(2, one), "rte": seeds(2, one)}
    )
    figure, a, b, table = (
        {each.claim: each for each in claims(CONFIG, these)}[name] for name in ANALYSED
    )
    assert figure.here == "so are 4 of 4 factors; not learnt, and left out: RTE"
    for each in (a, b):
        assert each.here.endswith("in 2 of 2 adapters; not learnt, and left out: RTE")
    assert table.here.endswith("; not learnt, and left out: STS-B with seed 1, RTE")
    assert {each.verdict for each in (figure, a, b, table)} == {"agrees"}


@pytest.mark.parametrize("ratio", [0.9, 1.1])
def test_a_few_steps_do_not_tell_the_speed(tmp_path: Path, ratio: float) -> None:
    few = SPEED | {"condlora_over_lora": ratio, "steps": 5}
    listed = {one.claim: one for one in claims(CONFIG, found(tmp_path, speed=few))}
    told = listed["CondLoRA trains 1.016 times as fast (Table 4)"]
    said = "5 steps of each in turn, too few to tell; 50 are needed"
    assert (told.here, told.verdict) == (f"{ratio:.3f} times, {said}", "cannot be told")
    assert said in page(tmp_path, speed=few)
    many = SPEED | {"condlora_over_lora": ratio, "steps": Analysis().speed_steps}
    listed = {one.claim: one for one in claims(CONFIG, found(tmp_path, speed=many))}
    assert listed[told.claim].verdict == ("agrees" if ratio > 1 else "does not agree")
    assert read_config("smoke").analysis.speed_steps < Analysis().speed_steps


@pytest.mark.parametrize(
    ("theirs", "layers", "ratio", "fewer", "faster"),
    [
        (24_576, 12, 1.03, "agrees", "agrees"),
        (49_152, 12, 1.007, "does not agree", "cannot be told"),
        (294_912, 12, 0.97, "does not agree", "does not agree"),
        (24_576, None, 0.99, "cannot be told", "cannot be told"),
    ],
)
def test_parameters_are_held_against_the_layers_and_speed_against_its_noise(
    theirs: int, layers: int | None, ratio: float, fewer: str, faster: str
) -> None:
    methods = {
        "lora": {"trainable_parameters": 294_912},
        "condlora": {"trainable_parameters": theirs},
    }
    found = _table4({"methods": methods, "condlora_over_lora": ratio, "steps": 50}, layers)
    assert [one.verdict for one in found] == [fewer, faster]


def before_shares(module: str, **made) -> dict:
    """A record from before the layers were asked what they share."""
    return {
        module: {key: one for key, one in record(module, **made)[module].items() if key != "shared"}
    }


def test_conversions_alone_can_hardly_tell(tmp_path: Path) -> None:
    analyses = {"stsb": seeds(2, before_shares("v") | before_shares("q"))}
    listed = {one.claim: one for one in claims(CONFIG, found(tmp_path, analyses=analyses))}
    for matrix in ("A", "B"):
        relation = listed[f"{RELATION}, v, {matrix}"]
        assert relation.verdict == "cannot be told"
        assert "this test misses most of what there may be" in relation.here


def test_one_equivalent_task_agrees_and_an_open_one_is_told_as_such(tmp_path: Path) -> None:
    (first, *_) = claims(CONFIG, found(tmp_path, scores=SCORES[:1]))
    assert first.verdict == "agrees"
    wide = {"stsb": [within_one((-0.02, 0.02), 1500, 0.002)]}
    (first, *_) = claims(CONFIG, found(tmp_path, scores=SCORES[:1], judged=wide))
    assert first.verdict == "cannot be told"
    assert "cannot be decided" in first.here
    (first, *_) = claims(CONFIG, found(tmp_path, scores=SCORES[:1], judged={}))
    assert first.verdict == "cannot be told"
    assert "not tested for equivalence" in first.here


def test_a_clear_excess_agrees(tmp_path: Path) -> None:
    analyses = {"stsb": seeds(8, before_shares("v", excess=0.02) | before_shares("q"))}
    these = found(tmp_path, scores=learnt_with(8), analyses=analyses)
    listed = {one.claim: one for one in claims(CONFIG, these)}
    for module, verdict in (("v", "agrees"), ("q", "cannot be told")):
        for matrix in ("A", "B"):
            assert listed[f"{RELATION}, {module}, {matrix}"].verdict == verdict


@pytest.mark.parametrize("missing", ["scores", "longer", "analyses", "speed"])
def test_whatever_is_missing_the_page_is_whole(tmp_path: Path, missing: str) -> None:
    empty = {"scores": [], "longer": [], "analyses": {}, "speed": None}[missing]
    text = page(tmp_path, **{missing: empty})
    assert "Nothing of this is there yet." in text
    assert text.count("\n## ") == 8


def test_answers_that_were_not_kept_are_said(tmp_path: Path) -> None:
    text = page(tmp_path, judged={}, unpaired=("stsb", "mrpc", "rte"))
    assert "A comparison by rows cannot be made of STS-B, MRPC, RTE" in text
    assert "No comparison by rows: the answers were not kept." in text
    assert "The comparison by rows is not there yet." in page(tmp_path, judged={})


@pytest.mark.parametrize(
    ("verdicts", "p", "said"),
    [
        (["equivalent, not equal", "equivalent"], [0.001, 0.5], "agrees"),
        (["different", "equivalent"], [0.02, 0.5], "does not agree"),
        # .06 of three.
        (["different", "cannot be decided", "equivalent"], [0.02, 0.3, 0.5], "cannot be told"),
        (["cannot be decided", "equivalent"], [math.nan, 0.5], "cannot be told"),
    ],
)
def test_one_of_many_tasks_is_no_disagreement(
    verdicts: list[str], p: list[float], said: str
) -> None:
    assert _together(verdicts, p) == said


def test_analyses_that_did_not_ask_it_yet_are_said_to_be_so(tmp_path: Path) -> None:
    text = page(tmp_path, analyses={"stsb": seeds(2, before_shares("v") | before_shares("q"))})
    part = text.split("## What one shared layer predicts of every layer's factors")[1]
    assert part.startswith("\n\nThe analyses on record do not have this")
