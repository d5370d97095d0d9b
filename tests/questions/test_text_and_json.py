"""What is said and printed beside what stands in JSON: the same numbers, the same verdicts, whatever comes out."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from every_question import NAMES, answered, given

_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?(?!\w)")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters whose layers share nothing, a part and all; two that are orthogonal; a run; one layer."""
    root, shape = tmp_path_factory.mktemp("said"), BertLike(layers=5, width=32, rank=4)
    base = str(write_base(root / "base", shape))
    for k, name in enumerate(["one", "other", "third", "run/checkpoint-1", "run/checkpoint-2"]):
        write_lora(root / name, shape, base=base, seed=k + 1)
    w0 = [shape.base[f"{shape.path(k, 'value')}.weight"] for k in range(5)]
    theta, theta_a = (random(32, 4, seed=k) for k in (5, 6))
    frames = [torch.linalg.qr(random(32, 32, seed=9 + k))[0] for k in range(5)]

    def write(name: str, a: Callable[[int], Any], b: Callable[[int], Any], layers: Any) -> None:
        tensors = {}
        for k in layers:
            path = f"base_model.model.bert.{shape.path(k, 'value')}"
            tensors[f"{path}.lora_A.weight"] = a(k).clone().contiguous()
            tensors[f"{path}.lora_B.weight"] = b(k).clone().contiguous()
        write_tensors(root / name, tensors)
        write_config(root / name, base=base, r=4)

    def part(k: int, seed: int) -> Any:
        return 4 * random(32, 4, seed=900 + k + seed)

    write("shared", lambda k: (w0[k].T @ theta_a).T, lambda k: w0[k] @ theta, range(5))
    write(
        "partly",
        lambda k: (w0[k].T @ theta_a + part(k, 0)).T,
        lambda k: w0[k] @ theta + part(k, 50),
        range(5),
    )
    for at in (0, 4):
        columns = [frame[:, at : at + 4] for frame in frames]
        write(f"frame-{at}", lambda k, c=columns: c[k].T, lambda k, c=columns: c[k], range(5))
    write("single", lambda k: random(4, 32, seed=k), lambda k: random(32, 4, seed=k + 9), [3])
    return root


# What is asked, of which adapters, with which options.
CASES: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "similarity": ("similarity", ("one",), {"draws": 20}),
    "similarity of another rank and ridge": ("similarity", ("one",), {"draws": 20, "i": 2, "j": 3, "ridge": 0.1}),
    "similarity without draws": ("similarity", ("one",), {"draws": 0}),
    "shared: no more": ("shared", ("one",), {"draws": 79}),
    "shared: more": ("shared", ("partly",), {"draws": 79}),
    "shared: all": ("shared", ("shared",), {"draws": 79}),
    "shared: too few": ("shared", ("one",), {"draws": 20}),
    "shared: of one layer": ("shared", ("single",), {"draws": 20}),
    "shared: carried over": ("shared", ("partly", "shared"), {"draws": 79}),
    "shared: carried over to a part": ("shared", ("shared", "partly"), {"draws": 79}),
    "comparison: each its own": ("comparison", ("one", "other"), {"i": 2, "j": 3}),
    "comparison: less": ("comparison", ("frame-0", "frame-4"), {"draws": 99}),
    "comparison: too few": ("comparison", ("one", "other"), {"draws": 9}),
    "outliers": ("outliers", ("one",), {"draws": 20}),
    "grid of two": ("grid", ("one", "other"), {"draws": 20}),
    "grid of W0 and ΔW": ("grid", ("one",), {"draws": 20}),
    "amplification": ("amplification", ("one",), {}),
    "magnitude: no more": ("magnitude", ("one",), {"draws": 59}),
    "magnitude: too few": ("magnitude", ("one",), {"draws": 9}),
    "magnitude without draws": ("magnitude", ("one",), {"draws": 0}),
    "magnitude of one layer": ("magnitude", ("single",), {"draws": 20}),
    "amplification of one layer": ("amplification", ("single",), {}),
    "spectrum": ("spectrum", ("one",), {}),
    "inventory": ("inventory", ("one",), {}),
    "matrix of two": ("matrix", ("one", "other"), {}),
    "matrix of three: too few": ("matrix", ("one", "other", "third"), {"draws": 9}),
    "matrix: below": ("matrix", ("frame-0", "frame-4"), {}),
    "dynamics": ("dynamics", ("run",), {}),
}  # fmt: skip
CASES |= {
    name: (name, tuple(map(str, given(name, Path()))), {})
    for name in set(NAMES) - {asked for asked, *_ in CASES.values()}
}


@pytest.fixture(scope="module")
def asked(home: Path) -> Callable[[str], Any]:
    """A case's result, computed once."""
    known: dict[str, Any] = {}

    def of(case: str) -> Any:
        if case not in known:
            name, folders, options = CASES[case]
            paths = [home / one for one in folders]
            more = {"other": paths.pop()} if "carried over" in case else {}
            known[case] = answered(name, paths, **options, **more)
        return known[case]

    return of


def numbers(found: Any) -> Iterator[float]:
    """Every number in JSON, how many there are in a list, and those that a dictionary is keyed by."""
    if isinstance(found, dict):
        yield from (float(key) for key in found if key.isdecimal())
        found = list(found.values())
    if isinstance(found, list):
        yield len(found)
        for one in found:
            yield from numbers(one)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield found


def derived(name: str, made: dict[str, Any]) -> Iterator[float]:
    """What tables say of several numbers of the JSON together."""
    if name == "grid":
        for grid in made["grids"]:
            yield from np.quantile(grid["angles_degrees"], (0, 0.5, 1)).tolist()
            yield from (1, 2, 4, 8, 16, 32)  # i and j
    if name == "outliers":
        for one in made["coordinates"] + made["next"]:
            yield from (float(np.mean(one[shares])) for shares in ("share", "propagated_share"))
    if name == "spectrum":
        rows = made["intruders"]
        for k, epsilon in {(row["k"], row["epsilon"]) for row in rows}:
            some = [row for row in rows if (row["k"], row["epsilon"]) == (k, epsilon)]
            yield sum(row["count"] for row in some)
            yield sum(row["random_mean"] for row in some)


def is_one_of(text: str, known: np.ndarray[Any, Any]) -> bool:
    """Whether a printed number is one of those, or a percentage of one, rounded to its own digits."""
    value = float(text.replace(",", "").replace("−", "-"))
    digits, _, power = text.partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return bool((np.abs(np.concatenate([known, 100 * known]) - value) <= half * (1 + 1e-6)).any())


@pytest.mark.parametrize("case", CASES)
def test_every_number_in_a_table_is_in_the_json(case: str, asked: Callable[[str], Any]) -> None:
    result = asked(case)
    made = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    known = np.array([*numbers(made), *derived(CASES[case][0], made)], dtype=float)
    for table in result.question.part("tables").tables(result):
        for row in table.rows:
            for cell in row:
                for text in _NUMBER.findall(cell):
                    assert is_one_of(text, known), (table.title, row, text)


def two_digits(value: float) -> str:
    """As the sentences write a number from 0 to 1."""
    if value >= 0.995:
        return "1"
    return f"{value:#.2g}" if value >= 1e-4 else f"{value:.4f}"


CLAUSES = {
    verdict: re.compile(rf"[^();]*(?:{words})[^()]*\([^()]*\)")
    for verdict, words in (("more", "(?<!no )more"), ("less", "less"), ("not seen", "no more"))
}


@pytest.mark.parametrize(
    "case", [one for one, (name, *_) in CASES.items() if name in ("shared", "comparison", "grid")]
)
def test_the_sentence_is_the_findings(case: str, asked: Callable[[str], Any]) -> None:
    """Of each finding its verdict, number and chance, and its own p or what would have been seen."""
    made = json.loads(json.dumps(asked(case).to_dict()))
    for one in made["findings"]:
        if one["verdict"] == "not seen" and one["detectable"] is None:
            assert "draws are too few to tell" in made["summary"]
            continue
        if one["value"] > 1 - 1e-5:
            assert one["verdict"] == "more"
            continue
        (clause,) = CLAUSES[one["verdict"]].findall(made["summary"])
        assert two_digits(one["value"]) in clause
        assert two_digits(one["chance"]) in clause
        if one["verdict"] == "not seen":
            assert "would have been seen in 80 of 100 cases" in clause
            assert two_digits(one["detectable"]) in clause
            assert not re.search(r"\bp [=<]", clause)
        else:
            assert one["p"] <= 0.05
            assert f"p = {one['p']:.3f}" in clause or (one["p"] < 0.001 and "p < 0.001" in clause)
            assert f"corrected for {one['family']} tests" in clause


def test_all_verdicts_were_met(asked: Callable[[str], Any]) -> None:
    """The cases above are of every kind."""
    met = {one.word for case in CASES for one in asked(case).findings}
    assert met == {"more", "less", "not seen"}
    hopeless = [case for case in CASES if any(one.hopeless for one in asked(case).findings)]
    assert all("too few" in case for case in hopeless)
    assert hopeless


@pytest.mark.parametrize("case", [one for one in CASES if one.startswith("shared")])
def test_what_would_have_been_seen_is_said_once(case: str, asked: Callable[[str], Any]) -> None:
    made = asked(case).to_dict()
    asks = [one.get("carried") or one["predicted"] for one in made["matrices"].values()]
    told = [one["detectable"] for one in asks if one is not None and one["nulls"]]
    assert bool(told) is (case not in ("shared: carried over to a part", "shared: of one layer"))
    assert told == pytest.approx([one["detectable"] for one in made["findings"]])


def test_matrix_tells_its_one_test_in_the_json(asked: Callable[[str], Any]) -> None:
    above = asked("matrix of two").to_dict()
    assert above["beside_unrelated"]["verdict"] == "more"
    assert above["beside_unrelated"]["size"] in above["summary"]
    below = asked("matrix: below").to_dict()
    assert below["beside_unrelated"]["verdict"] == "not seen"
    assert two_digits(below["beside_unrelated"]["detectable"]) in below["summary"]
    assert "no pair is seen above that" in below["summary"]  # far below it, which is not tested
    few = asked("matrix of three: too few").to_dict()
    assert few["beside_unrelated"]["detectable"] is None
    assert (
        "too few to tell any pair from chance (59 are needed, 19 if all 3 are as far above)"
        in few["summary"]
    )


def test_outliers_tells_an_adapters_own_mean(asked: Callable[[str], Any]) -> None:
    """It stood under the mean of the draws, of which the test has one by the same name."""
    result = asked("outliers")
    made = result.to_dict()["before"]
    assert made["observed"]["mean"] == result.before.observed
    assert made["propagated"]["mean"] == pytest.approx(result.before.test.mean)
    assert f"this adapter's conversions have {result.before.observed:.3f}" in result.summary


def test_one_layer_is_no_range(asked: Callable[[str], Any]) -> None:
    said = asked("amplification of one layer").summary
    assert "by a factor of" in said
    assert "median" not in said
