"""What docs/results.md says of the plateau and of a slow seed is what their records hold."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "results.md").read_text(encoding="utf-8")


def short(score: float) -> str:
    return f"{score:.3f}".removeprefix("0")


@pytest.mark.parametrize("name", ["zero-condlora", "mean-condlora", "scaled-condlora", "mean-lora"])
def test_a_row_a_run(name: str) -> None:
    record = json.loads((DOCS / "results" / "plateau" / f"{name}.json").read_text())
    curve = " ".join(short(at["development_score"]) for at in record["history"])
    assert f"| {curve} | {short(record['test_score'])} |" in PAGE


def test_the_run_with_twice_the_epochs() -> None:
    paths = ("minilm/runs/stsb-condlora-2/run.json", "longer/stsb-condlora-2/run.json")
    once, longer = (json.loads((DOCS / "results" / path).read_text()) for path in paths)
    assert longer["settings"] == once["settings"] | {"epochs": 8.0}
    development, test = short(once["development_score"]), short(once["test_score"])
    assert f"development {development}, test {test}" in PAGE
    development, test = short(longer["development_score"]), short(longer["test_score"])
    assert f"reached {development} and {test}" in PAGE


@pytest.mark.parametrize(
    "name", ["seed-0", "seed-1", "seed-2", "seed-1-long-warm-up", "seed-1-half-the-rate"]
)
def test_a_row_a_start(name: str) -> None:
    record = json.loads((DOCS / "results" / "slow" / f"{name}.json").read_text())
    settings, history = record["settings"], record["history"][:2]
    loss = " ".join(f"{at['train_loss']:.2f}".removeprefix("0") for at in history)
    development = " ".join(short(at["development_score"]) for at in history)
    rate = f"{settings['learning_rate'] * 1e3:.1f}e-3".replace("0.5e-3", "5.0e-4")
    assert (
        f"| {settings['seed']} | {rate} | {settings['warmup']} | {loss} | {development} |" in PAGE
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_what_half_the_rate_reached(seed: int) -> None:
    here, before = (
        json.loads((DOCS / "results" / "slow" / f"{name}-{seed}.json").read_text())
        for name in ("half-the-rate", "seed")
    )
    assert here["settings"]["learning_rate"] == 5e-4
    for one in (here, before):
        assert " ".join(short(at["development_score"]) for at in one["history"]) in PAGE
    assert " ".join(f"{at['train_loss']:.2f}".removeprefix("0") for at in here["history"]) in PAGE
    assert f"{100 * here['test_score']:.1f}" in PAGE


def test_the_rate_was_chosen_by_both_seeds_beginnings() -> None:
    slow = DOCS / "results" / "slow"
    half, whole = (
        fmean(
            json.loads((slow / f"{name}-{seed}.json").read_text())["history"][1][
                "development_score"
            ]
            for seed in (0, 1)
        )
        for name in ("half-the-rate", "seed")
    )
    assert half > whole
    assert f"is {short(whole)} at 1.17e-3 and {short(half)} at 5e-4" in PAGE


@pytest.mark.parametrize("seed", [0, 1])
def test_what_twice_the_epochs_reached(seed: int) -> None:
    results = DOCS / "results"
    here, once = (
        json.loads(path.read_text())
        for path in (
            results / "mpnet" / "runs" / f"mrpc-condlora-{seed}" / "run.json",
            results / "slow" / f"half-the-rate-{seed}.json",
        )
    )
    changed = {"epochs": 16.0, "precision": "bfloat16"}
    assert here["settings"] == once["settings"] | changed
    assert " ".join(short(at["development_score"]) for at in here["history"]) in PAGE
    tests = [
        f"{100 * json.loads((results / 'mpnet' / 'runs' / f'mrpc-condlora-{one}' / 'run.json').read_text())['test_score']:.1f}"
        for one in (0, 1)
    ]
    assert f"the test rows score {tests[0]} and {tests[1]};" in PAGE
    assert here["development_score"] - once["development_score"] > 0.005


def test_the_run_of_twice_as_many_again() -> None:
    """Settings that differ in the epochs alone; gains of the best epoch, and of the last quarter's mean."""
    mpnet = DOCS / "results" / "mpnet"
    once, longer = (
        json.loads((mpnet / kind / "mrpc-condlora-0" / "run.json").read_text())
        for kind in ("runs", "longer")
    )
    assert longer["data_sha256"] == once["data_sha256"]
    assert longer["settings"] == once["settings"] | {"epochs": 32.0}
    before, after = ([at["development_score"] for at in one["history"]] for one in (once, longer))
    text = " ".join(PAGE.split())
    assert (
        f"{' '.join(map(short, after))}, 2.7 points or ten rows more at its best, in the twenty-eighth epoch"
        in text
    )
    assert max(after) - max(before) == pytest.approx(10 / 367)
    assert 100 * (max(after) - max(before)) == pytest.approx(2.7, abs=0.05)
    assert after.index(max(after)) + 1 == 28
    last = [short(fmean(one[-len(one) // 4 :])) for one in (after, before)]
    assert f"last quarter is {last[0]}, where the sixteen's is {last[1]}" in text
    assert f"test rows score {100 * longer['test_score']:.1f}, seven of 408 fewer" in text
    assert once["test_score"] - longer["test_score"] == pytest.approx(7 / 408)


def test_the_other_seeds_run_of_twice_as_many_again() -> None:
    """Settings that differ in the epochs alone; rows lost, and the mean of both seeds."""
    results = DOCS / "results"

    def record(folder: str, seed: int) -> dict[str, Any]:
        path = results / folder / f"mrpc-condlora-{seed}" / "run.json"
        return dict(json.loads(path.read_text()))

    sixteen = [record("mpnet/runs", seed) for seed in (0, 1)]
    longer = [record("mpnet/longer", 0), record("longer", 1)]
    assert longer[1]["data_sha256"] == sixteen[1]["data_sha256"]
    changed = {"epochs": 32.0, "data": longer[1]["settings"]["data"]}
    assert longer[1]["settings"] == sixteen[1]["settings"] | changed
    scores = " ".join(short(at["development_score"]) for at in longer[1]["history"])
    text = " ".join(PAGE.split())
    assert f"had {scores}, two rows less at its best than sixteen" in text
    lost = sixteen[1]["development_score"] - longer[1]["development_score"]
    assert lost == pytest.approx(2 / 367)
    assert f"and {100 * longer[1]['test_score']:.1f} of the test rows, seven fewer too" in text
    assert sixteen[1]["test_score"] - longer[1]["test_score"] == pytest.approx(7 / 408)
    after, before = (
        short(fmean(one["development_score"] for one in both)) for both in (longer, sixteen)
    )
    assert f"both seeds' best is {after}, where the sixteens' is {before}" in text


@pytest.mark.parametrize(("seed", "test"), [(0, "86.0"), (1, "74.3")])
def test_the_whole_course_of_a_seed(seed: int, test: str) -> None:
    record = json.loads((DOCS / "results" / "slow" / f"seed-{seed}.json").read_text())
    losses = " ".join(f"{at['train_loss']:.2f}".removeprefix("0") for at in record["history"])
    assert losses in PAGE
    assert f"{100 * record['test_score']:.1f}" == test
    assert test in PAGE


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_the_search_with_both_seeds_and_the_longer_run(method: str) -> None:
    mpnet = DOCS / "results" / "mpnet"
    found = json.loads((mpnet / "searches" / f"mrpc-{method}" / "search.json").read_text())
    assert found["settings"]["space"]["seeds"] == [0, 1]
    assert f"{found['best']['learning_rate']:.2e}" == "1.17e-03"
    for trial in found["trials"]:
        if trial["state"] == "complete":
            assert short(trial["development_score"]) in PAGE
    longer = (mpnet if method == "lora" else mpnet.parent) / "longer" / f"mrpc-{method}-0"
    longer = json.loads((longer / "run.json").read_text())
    assert short(longer["development_score"]) in PAGE
