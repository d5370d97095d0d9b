"""Pages of the docs that a benchmark writes are what it writes from the records beside them."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from lora_lens.chance.detectable import detectable_deviations
from lora_lens.chance.p_values import holm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
POWER = sorted((DOCS / "power").glob("*.json"))


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks import each other."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def benchmark(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(*path: str) -> Any:
    return json.loads(DOCS.joinpath(*path).read_text(encoding="utf-8"))


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_the_power_of_heavy_tailed_nulls_is_what_is_found_anew() -> None:
    """Fewer sets than the page's: within four of their deviations."""
    head, sides, *rows = benchmark("heavy_tails").table(1_000)
    told = page("theory").split(f"{head}\n{sides}\n")[1].split("\n\n")[0].splitlines()
    for found, stated in zip(rows, told, strict=True):
        name, *numbers = found.strip("| ").split(" | ")
        own, *shares = stated.strip("| ").split(" | ")
        assert own == name
        assert [*map(float, shares)] == pytest.approx([*map(float, numbers)], abs=0.07)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem
)
def test_what_a_benchmark_takes_from_the_package_is_there(path: Path) -> None:
    """Types are not checked of them, and most are run by hand."""
    benchmark(path.stem)


def test_benchmarks() -> None:
    records = (record("benchmarks", f"{name}.json") for name in ("kernels", "peers", "callback"))
    assert page("benchmarks") == benchmark("page").page(*records)


@pytest.mark.parametrize("path", POWER, ids=lambda path: path.stem)
def test_power_has_every_line(path: Path) -> None:
    lines = [line for line in benchmark("counting").table(record("power", path.name)) if line]
    assert len(lines) > 3
    for line in lines:
        assert line in page("power")


def test_records_of_power_are_there() -> None:
    assert {path.stem for path in POWER} == {
        "minilm", "minilm-by-pairs-down", "minilm-by-pairs-up", "minilm-by-pairs-value", "minilm-claims", "minilm-pairs", "minilm-ridge", "minilm-ridge-down", "minilm-ridge-up",
        "mpnet", "mpnet-claims", "mpnet-pairs",
    }  # fmt: skip


CARRIED = ("minilm-value", "minilm-up", "mpnet-value", "mpnet-up")


@pytest.mark.parametrize("name", [*CARRIED, "minilm-shares"])
def test_what_is_carried_over_has_every_line(name: str) -> None:
    told = page("power").split("## Carried over\n")[1].split("\n## ")[0]
    for line in benchmark("carried").page(record("power", "carried", f"{name}.json")):
        assert line in told


@pytest.mark.parametrize("name", CARRIED)
def test_unrelated_adapters_carry_over_no_oftener_than_stated(name: str) -> None:
    carried = benchmark("carried")
    counts = record("power", "carried", f"{name}.json")["counts"]
    for kind in carried.KINDS:
        for matrix in carried.FACTORS:
            of = counts[kind][matrix]
            low, high = binomtest(of["found"], of["sets"]).proportion_ci(carried.SURE)
            assert low <= carried.LEVEL <= high
            assert (of["sets"], of["untested"]) == (400, 0)
    for kind in carried.UNTESTED:
        for of in counts.get(kind, {}).values():
            assert of["untested"] >= 396
            assert of["found"] == 0


def test_alike() -> None:
    bases = ("minilm", "mpnet")
    places, asked = (
        [record("alike", f"{kind}{name}.json") for name in bases] for kind in ("", "outliers-")
    )
    assert page("alike") == benchmark("alike_page").page(places, asked)


def test_course_has_every_line() -> None:
    lines = list(benchmark("course").page(record("results", "mpnet-course.json")))
    assert len(lines) > 40
    for line in lines:
        assert line in page("course")


def test_course_says_what_would_have_been_seen_where_nothing_is() -> None:
    told = record("results", "mpnet-course.json")
    excess = {
        f"{100 * rows[module][matrix]['detectable']:.1f}"
        for name, rows in told["shares"].items()
        for module, matrix in (("q", "A"), ("v", "A"), ("q", "B"))
        if "epoch" in name and (matrix == "A" or rows[module][matrix]["p"] > 0.05)
    }
    assert excess == {"0.3"}
    assert "where an excess of 0.3 % would have been seen" in page("course")
    assert "which sees an excess of 0.3 %, too" in page("course")
    for to, said in ((" LoRA", "0.1 to 0.3 % would"), (" CondLoRA", "0.5 to 3.2 % in CondLoRA's")):
        values = [
            100 * one["detectable"]
            for pair, modules in told["carried"].items()
            if to in pair.split(":")[1]
            for module in modules.values()
            for one in module.values()
        ]
        assert f"{min(values):.1f} to {max(values):.1f} %" == said[:12]
        assert said in page("course")


def test_six_adapters_asked_as_one() -> None:
    told = record("results", "mpnet-together.json")
    for line in benchmark("together").page(told):
        assert line in page("course")
    found = told["found"]
    corrected = dict(zip(found, holm(np.array([one["p"] for one in found.values()])), strict=True))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, module, words in (
        ("q, A", "query", "query's A where {:.2f} % are chance"),
        ("v, A", "value", "value's for {:.2f}"),
    ):
        share, chance, sd = (100 * found[name][key] for key in ("mean", "flips", "sd"))
        least = sd * (detectable_deviations(0.05 / len(found), told["draws"]) or np.nan)
        assert corrected[name] == pytest.approx(0.092, abs=5e-4)
        assert f"{share:.2f} % of {words.format(chance)}" in " ".join(readme.split())
        assert f"{least:.2f} % in {module}" in page("course")
        assert f"{share - chance:.2f}" == "0.07"
    assert [name for name, p in corrected.items() if p <= 0.05] == ["q, B", "v, B"]
    query = found["q, A"]
    shares = record("results", "mpnet-course.json")["shares"]
    course = {
        f"{task.lower()}-lora-{seed}": shares[f"{task} LoRA {seed}"]["q"]["A"]["share"]
        for task in ("STS-B", "MRPC", "CoLA")
        for seed in (0, 1)
    }
    for name, share in zip(told["adapters"], query["shares"], strict=True):
        if name.replace("stsb", "sts-b") in course:
            assert share == pytest.approx(course[name.replace("stsb", "sts-b")], rel=1e-5)


def test_what_is_found_two_by_two() -> None:
    """The words of the power page in its counts."""
    counts = {
        module: record("power", f"minilm-by-pairs-{module}.json")["counts"]
        for module in ("value", "down", "up")
    }
    of_b = "φ of conversions of B, ridge 3, flipped"
    found = {
        (module, e): case["found"][of_b]
        for module, each in counts.items()
        for e, case in each.items()
    }
    text = page("power")
    assert {case["sets"] for each in counts.values() for case in each.values()} == {24}
    assert (
        f"a twentieth of B is found in {found['value', '0.05']} of 24 sets and a tenth in all"
        in text
    )
    assert found["value", "0.1"] == 24
    assert f"two by two it is found in {found['down', '0.1']} of 24" in text
    wrong = sum(
        sum(each[kind]["found"].values())
        for each in counts.values()
        for kind in ("uniform", "leading")
    )
    assert f"{wrong} of 288 p in these tables" in text
    ridge = record("power", "minilm-ridge.json")["counts"]["0.05"]
    by_theta = [ridge["found"][f"predicted share of B{how}, flipped"] for how in ("", ", ridge 1")]
    assert ridge["sets"] == 40
    assert (
        f"beside {by_theta[0]} and 40 of 40 by one θ for all layers, and {by_theta[1]} and 40 with a ridge"
        in text
    )
    up = counts["up"]["0.1"]["found"]["φ of conversions of A, ridge 3, flipped"]
    assert f"in the same space, in {up} of 24" in text


def test_what_each_of_the_six_has_by_itself() -> None:
    """Least and most z of A, in the page's own table."""
    shares = record("results", "mpnet-course.json")["shares"]
    ends = [
        f"{end:+.1f}".replace("-", "−")
        for module in ("q", "v")
        for z in ([one[module]["A"]["z"] for name, one in shares.items() if " LoRA " in name],)
        for end in (min(z), max(z))
    ]
    said = "z from {} to {} in query and from {} to {} in value"
    assert said.format(*ends) in page("course")


def test_two_by_two() -> None:
    """The page's table, and its words and the README's in their numbers."""
    told, asked = record("results", "mpnet-two-by-two.json"), benchmark("two_by_two")
    for line in asked.page(told):
        assert line in page("course")

    def said(kind: str, pairs: str, key: str) -> str:
        numbers = [
            100 * one[pairs][key]
            for name, one in told["found"].items()
            if name.split(maxsplit=1)[1] == kind
        ]
        return str(asked.ends(numbers, "{:.1f}"))

    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for kind, pairs, of_readme, of_page in (
        (
            "q B",
            "neighbours",
            "{} % in query where flips give {},",
            "query's {} % where flips give {},",
        ),
        ("v B", "neighbours", "{} in value for {};", "value's {} for {};"),
        ("q B", "others", "layers further apart {} for {},", "layers further apart {} for {},"),
        ("v B", "others", "and {} for {}. Of A", "and {} for {}. It falls"),
    ):
        both = said(kind, pairs, "phi"), said(kind, pairs, "flips")
        assert of_readme.format(*both) in readme
        assert of_page.format(*both) in " ".join(page("course").split())
    corrected = asked.corrected(told)
    for (name, pairs), p in corrected.items():
        if name.endswith("A"):
            assert p > 0.05
        elif pairs != "others":
            assert p <= 0.05
    least = {
        pairs: asked.ends(
            [
                100 * one[pairs]["detectable"]
                for name, one in told["found"].items()
                if name.endswith("A")
            ],
            "{:.2f}",
        )
        for pairs in ("all", "neighbours")
    }
    assert (
        f"an excess of {least['all']} % in the mean of all pairs, and of {least['neighbours']} % between"
        in " ".join(page("course").split())
    )
    assert f"an excess of {least['neighbours']} % between neighbours would have been seen" in readme
    for module, words in (
        ("q", "{} times that of the others in query"),
        ("v", "{} times in value"),
    ):
        times = [
            (one["neighbours"]["phi"] - one["neighbours"]["flips"])
            / (one["others"]["phi"] - one["others"]["flips"])
            for name, one in told["found"].items()
            if name.endswith(f"{module} B")
        ]
        assert words.format(asked.ends(times, "{:.1f}")) in " ".join(page("course").split())


def test_two_by_two_on_minilm() -> None:
    told, asked = record("results", "minilm-two-by-two.json"), benchmark("two_by_two")
    for line in asked.page(told):
        assert line in page("course")
    p = asked.corrected(told)
    for pairs, beyond in (("all", (3, 2)), ("neighbours", (3, 2)), ("others", (1, 0))):
        found = [
            sum(p[name, pairs] <= 0.05 for name in told["found"] if name.endswith(f"{module} B"))
            for module in ("query", "value")
        ]
        assert tuple(found) == beyond
    assert all(one > 0.05 for (name, _), one in p.items() if name.endswith("A"))


def test_a_ridge_says_the_same() -> None:
    told, ridged = record("results", "mpnet-ridge.json"), benchmark("by_ridge")
    for line in ridged.page(told):
        assert line in page("course")
    beyond = {name.split(maxsplit=1)[1] for name, p in ridged.corrected(told).items() if p <= 0.05}
    assert beyond == {"q B", "v B"}
    query = [one for name, one in told["found"].items() if name.endswith("q B")]
    ends = [
        f"{100 * end([one[key] for one in query]):.1f}"
        for key in ("share", "flips")
        for end in (min, max)
    ]
    assert "{} to {} % for {} to {}.".format(*ends) in (ROOT / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("kinds", "modules", "matrices", "said"),
    [
        ("LoRA, LoRA; one task", "q", "B", "2.6 to 3.0 %, flips 1.9 to 2.4"),
        ("LoRA, LoRA; one task", "v", "B", "1.1 to 1.4 beside 1.0 to 1.1, seen in 4 of 6 pairs"),
        ("LoRA, LoRA; other", "q", "B", "in all 24 pairs (2.4 to 3.0 %, flips 1.9 to 2.4)"),
        ("LoRA, LoRA; other", "v", "B", "Value's was seen in 5 of 24"),
        ("LoRA, LoRA;", "qv", "A", "another LoRA's A in 2 of 60 pairs"),
        ("CondLoRA, LoRA; one task", "qv", "A", "1.8 to 2.4 % of A, where flips give 1.1 to 1.3,"),
        ("CondLoRA, LoRA; one task", "qv", "B", "1.8 to 3.4 % of B (1.1 to 2.4), in all 24 cases"),
        ("CondLoRA, LoRA; other", "qv", "A", "1.1 to 1.8 % of A (1.1 to 1.4), seen in 26 of 48"),
        ("CondLoRA, LoRA; other", "qv", "B", "1.1 to 3.1 % of B (1.1 to 2.5), in 38"),
        ("LoRA, CondLoRA; one task", "qv", "AB", "3.4 to 10.5 % of CondLoRA's factors (flips 2.5 to 7.7), in all 48 cases"),
        ("LoRA, CondLoRA; other", "qv", "AB", "more than chance in 47 of 96"),
    ],
)  # fmt: skip
def test_what_is_carried_over_is_in_the_numbers(
    kinds: str, modules: str, matrices: str, said: str
) -> None:
    course = benchmark("course")
    told = [
        (rows[module], matrix)
        for pair, rows in record("results", "mpnet-course.json")["carried"].items()
        if course.kind(pair).startswith(kinds)
        for module in modules
        for matrix in matrices
    ]
    share, flips = (
        course.span([f"{100 * value:.1f}" for value in sorted(row[m][key] for row, m in told)])
        for key in ("share", "flips")
    )
    seen = sum(course.beyond(*one) for one in told)
    assert said in " ".join(page("course").split())
    counts = {f"in {seen}", f"{seen} of {len(told)}", *([f"all {seen}"] * (seen == len(told)))}
    for words in re.findall(r"[\d.]+ to [\d.]+", said):
        assert words in {share, flips}
    for words in re.findall(r"\d+ of \d+|all \d+|in \d+$", said):
        assert words in counts


def test_where_a_is_beyond_flips_by_one_modules_tests() -> None:
    course, shares = benchmark("course"), record("results", "mpnet-course.json")["shares"]
    ((name, module),) = (
        (name, module)
        for name, rows in shares.items()
        for module, of in rows.items()
        if " LoRA " in name and course.beyond(of, "A")
    )
    assert (name, module) == ("CoLA LoRA 0", "v")
    one = shares[name][module]["A"]
    share, flips = (f"{100 * one[key]:.2f}" for key in ("share", "flips"))
    assert f"{share} % where flips give {flips} (p = {one['p']:.3f})" in page("course")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{share} % for {flips}, p = {one['p']:.3f}" in readme


def test_a_start_stays_in_theta() -> None:
    course, carried = benchmark("course"), record("results", "mpnet-course.json")["carried"]

    def shares(kind: str, module: str, matrix: str) -> tuple[float, float]:
        found = [
            100 * rows[module][matrix]["share"]
            for pair, rows in carried.items()
            if course.kind(pair) == f"CondLoRA, CondLoRA; {kind}"
        ]
        return min(found), max(found)

    for module, words in (("q", "15 to 18 % of query's A"), ("v", "13 % of value's")):
        ends = shares("other tasks, one start", module, "A")
        assert words.startswith(course.span([f"{end:.0f}" for end in ends]))
        assert words in page("course")
        assert ends[0] > 2 * shares("other tasks", module, "A")[1]
        assert (
            shares("other tasks, one start", module, "B")[1] < shares("other tasks", module, "B")[1]
        )


def test_hundred() -> None:
    assert page("hundred") == benchmark("hundred_page").page(record("hundred", "record.json"))


def test_a_runs_folder_says_which_it_is() -> None:
    design = benchmark("hundred_design")
    for task in design.TASKS:
        run = design.Run(11, 16, task)
        assert design.run_of(run.name) == run


def test_what_the_hundred_are_said_to_show_is_in_their_numbers() -> None:
    """Words of the page that no number is in."""
    told = record("hundred", "record.json")
    found = benchmark("hundred_page").by_what_is_common(told)
    for part in ("every", "apart"):
        held = {
            row["directions"]: row["left_out"]
            for row in told[part]["subspace"]
            if (row["side"], row["k"]) == ("right", 16)
        }
        others = next(
            row["share"]
            for row in told[part]["of other tasks"]
            if (row["side"], row["k"]) == ("right", 16)
        )
        assert held["mean adapter"] == pytest.approx(held["shared"], abs=0.02)
        assert held["shared beside the mean"] > 0.9 * held["shared"]
        assert 2 * 16 / 384 < others < held["shared"]
    for rank in (4, 8, 16):
        of_a, of_b, cosine = (
            {
                (task, seed): found[matrix, rank, task, seed]
                for task, seed in ((True, False), (False, True), (False, False))
            }
            for matrix in ("A", "B", "delta")
        )
        start, task, neither = ((False, True), (True, False), (False, False))
        assert of_a[start]["mean"] > 3 * of_a[task]["mean"] > 4 * of_a[task]["gaussian"]
        assert of_b[neither]["mean"] > 2 * of_b[neither]["gaussian"]
        assert of_b[start]["mean"] < 1.2 * of_b[neither]["mean"] < 0.2
        assert 0 < cosine[neither]["mean"] < 0.04
        assert cosine[task]["mean"] > 0.1
