import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from commands import fails, run

from lora_lens import (
    amplification,
    compare,
    demo_adapter,
    load_adapter,
    open_base,
    rank_grids,
    spectrum,
)
from lora_lens.errors import LensError
from lora_lens.formats.base_in_use import check_base_used
from lora_lens.questions.spectrum.analysis import EPSILONS


def pair(tmp_path: Path) -> tuple[Path, Path]:
    write_lora(tmp_path / "other", BertLike(rank=6), seed=8)
    return tmp_path / "lora", tmp_path / "other"


def test_grid_of_two_adapters_in_json(bert: BertLike, tmp_path: Path) -> None:
    one, other = pair(tmp_path)
    found = json.loads(run("grid", one, other, "-m", "query", "--layer", 1, "--json").stdout)
    expected = rank_grids(load_adapter(one), load_adapter(other), "query", layers=[1])
    assert (found["one"], found["other"], found["between"]) == (str(one), str(other), "adapters")
    assert [(g["layer"], g["matrix"], g["side"]) for g in found["grids"]] == [
        (1, "A", "right"), (1, "B", "left"), (1, "delta", "left"), (1, "delta", "right"),
    ]  # fmt: skip
    for got, grid in zip(found["grids"], expected, strict=True):
        assert np.shape(got["phi"]) == (4, 6)
        np.testing.assert_allclose(got["phi"], grid.values)
        np.testing.assert_allclose(got["angles_degrees"], grid.angles)


def test_grid_of_one_adapter_is_against_w0(bert: BertLike, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    found = json.loads(run("grid", adapter, "--top", 7, "--matrix", "delta-left", "--json").stdout)
    assert found["between"] == "w0-delta"
    assert len(found["grids"]) == 3
    assert np.shape(found["grids"][0]["phi"]) == (7, 4)


def test_grid_prints_a_chosen_layer_in_full_and_corners_else(
    bert: BertLike, tmp_path: Path
) -> None:
    one, other = pair(tmp_path)
    whole = run("grid", one, other).stdout
    chosen = run("grid", one, other, "--layer", 2).stdout
    assert "--layer N" in whole
    assert r"i\j" not in whole
    assert chosen.count(r"i\j") == 4
    assert "--layer N" not in chosen
    assert "A (right)  " in whole.replace("\n", " ")


def test_amplification_in_json_and_as_table_7(bert: BertLike, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    found = json.loads(run("amplification", adapter, "--json").stdout)
    expected = amplification(load_adapter(adapter), "value")
    assert [one["factor"] for one in found["layers"]] == pytest.approx(
        [one.factor for one in expected.layers]
    )
    keys = {"rank", "delta_norm", "w0_norm", "w0_in_delta", "w0_in_w0", "w0_in_random", "z"}
    assert keys <= set(found["layers"][0])
    shown = run("amplification", adapter).stdout
    for one in expected.layers:
        assert f"{one.factor:.2f}" in shown
        assert f"{one.w0_in_delta:#.4g}" in shown


def test_spectrum_in_json(bert: BertLike, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    options = ("--k", 2, "--k", 3, "--epsilon", 0.5, "--energy", 0.8, "--draws", 2, "--seed", 5)
    found = json.loads(run("spectrum", adapter, "--json", *options).stdout)
    expected = spectrum(
        load_adapter(adapter), ks=[2, 3], epsilons=[0.5], energy=0.8, draws=2, seed=5
    )
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert len(found["intruders"]) == 6 * 2
    assert set(found["intruders"][0]) >= {"module", "layer", "k", "epsilon", "count"}


def test_spectrum_ends_with_a_pattern_to_paste(bert: BertLike, tmp_path: Path) -> None:
    result = run("spectrum", tmp_path / "lora", "--module", "value", "--energy", 0.8)
    _, _, snippet = result.stdout.partition("parameters\n")
    pasted = eval(f"dict(\n{snippet})")
    expected = spectrum(load_adapter(tmp_path / "lora"), "value", energy=0.8).suggestion
    assert pasted["rank_pattern"] == expected.rank_pattern
    assert pasted["alpha_pattern"] == expected.alpha_pattern
    for word in ("effective", "(s²)", "Intruder dimensions", "W0's edge"):
        assert word in result.stdout


@pytest.mark.usefixtures("blank_figures")
def test_spectrum_of_many_modules_says_where_its_pattern_is(tmp_path: Path) -> None:
    """A page and a half of it was printed below the tables; with --out it is in a file, of however few."""
    shape = BertLike(layers=5)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    many = run("spectrum", tmp_path / "lora", "--no-w0").stdout
    assert "rank_pattern={" not in many
    assert "of 10 modules: --out writes them, and ll.suggest_ranks(…).snippet()" in " ".join(
        many.split()
    )
    few = ("spectrum", tmp_path / "lora", "--module", "value", "--no-w0")
    assert "rank_pattern={" in run(*few).stdout
    written = run(*few, "--out", tmp_path / "out").stdout
    assert "rank_pattern={" not in written
    name = "spectrum-value-rank-pattern.txt"
    assert f"of 5 modules: {name} of --out has them" in " ".join(written.split())
    assert "rank_pattern={" in (tmp_path / "out" / name).read_text()


def test_no_line_of_words_is_wider_than_the_terminal(
    bert: BertLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    shown, _, _ = run("spectrum", tmp_path / "lora", "--module", "value").stdout.partition(
        "rank_pattern={"
    )
    assert "Smallest ranks" in shown
    assert max(map(len, shown.splitlines())) <= 50


def test_spectrum_without_w0_needs_no_base(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "far", BertLike(), base="nobody/nothing-here")
    result = run("spectrum", tmp_path / "far")
    assert result.exit_code == 0
    assert "W0 is left out" in " ".join(result.stdout.split())
    assert "Intruder dimensions" not in result.stdout
    assert "W0 is left out" not in run("spectrum", tmp_path / "far", "--no-w0").stdout
    refused = run("spectrum", tmp_path / "far", "--w0")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "nobody/nothing-here" in refused.stderr


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize(
    ("arguments", "stem", "extra"),
    [
        (("grid", "lora", "other"), "grid-value", ("-angles.csv",)),
        (("grid", "lora"), "grid-w0-value", ("-angles.csv",)),
        (("amplification", "lora"), "amplification-value", ()),
        (
            ("spectrum", "lora"),
            "spectrum",
            (
                "-intruders.csv",
                "-intruders.png",
                "-intruders.svg",
                "-intruders.pdf",
                "-rank-pattern.txt",
                "-singular-values.csv",
            ),
        ),
    ],
)
def test_out_writes_every_form_whole(
    bert: BertLike, tmp_path: Path, arguments: tuple[str, ...], stem: str, extra: tuple[str, ...]
) -> None:
    pair(tmp_path)
    out = tmp_path / "out"
    command, *adapters = arguments
    result = run(command, *(tmp_path / name for name in adapters), "--out", out)
    assert result.exit_code == 0, result.stderr
    endings = [f".{ending}" for ending in ("png", "svg", "pdf", "csv", "json", "md", "tex")]
    assert {path.name for path in out.iterdir()} == {stem + end for end in (*endings, *extra)}
    assert (out / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    latex = (out / f"{stem}.tex").read_text()
    assert not set(latex) & set("φεΣ²×°∞ᵀ‖")
    assert json.loads((out / f"{stem}.json").read_text())


@pytest.mark.usefixtures("blank_figures")
def test_spectra_of_one_module_leave_those_of_another(bert: BertLike, tmp_path: Path) -> None:
    asked = {"spectrum": (), "spectrum-value": ("-m", "value"), "spectrum-query": ("-m", "q_proj")}
    for module in asked.values():
        made = run("spectrum", tmp_path / "lora", "--no-w0", *module, "--out", tmp_path / "out")
        assert made.exit_code == 0, made.stderr
    modules = {
        stem: {one["module"] for one in json.loads(text)["layers"]}
        for stem in asked
        if (text := (tmp_path / "out" / f"{stem}.json").read_text())
    }
    assert modules == {
        "spectrum": {"query", "value"}, "spectrum-value": {"value"}, "spectrum-query": {"query"}
    }  # fmt: skip
    assert (tmp_path / "out" / "spectrum-value-singular-values.csv").exists()


def test_usage_of_what_is_not_there_is_one_line(bert: BertLike, tmp_path: Path) -> None:
    for arguments in (
        ("grid", tmp_path / "lora", "--layer", 9),
        ("amplification", tmp_path / "lora", "--rank", 5),
        ("spectrum", tmp_path / "lora", "--k", 99),
        ("spectrum", tmp_path / "lora", "--epsilon", 2),
    ):
        fails(run(*arguments))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--k", 3], "--k (ks) is"),
        (["--epsilon", 0.2], "--epsilon (epsilons) is"),
        (["--draws", 7], "--draws (draws) is"),
        (["--k", 3, "--epsilon", 0.2, "--draws", 1], "--k (ks), --epsilon (epsilons) and --draws (draws) are"),
    ],
)  # fmt: skip
def test_spectrum_refuses_what_does_nothing_without_w0(
    bert: BertLike, tmp_path: Path, options: list[object], what: str
) -> None:
    adapter = tmp_path / "lora"
    fails(
        run("spectrum", adapter, "--no-w0", *options),
        f"{what} for intruder dimensions of W0 + ΔW, and W0 is not to be read (--no-w0, beside_w0=False): leave",
        " out, or that",
    )
    assert run("spectrum", adapter, "--w0", *options).exit_code == 0
    assert (
        run("spectrum", adapter, "--no-w0", "--draws", 0, "--energy", 0.9).exit_code == 0
    )  # no random ΔW was asked for


def test_spectrum_refuses_it_in_python_too(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    for options in ({"ks": [3]}, {"epsilons": [0.2]}, {"draws": 7}):
        with pytest.raises(LensError, match="intruder dimensions of W0"):
            spectrum(adapter, beside_w0=False, **options)  # type: ignore[arg-type]
        assert spectrum(adapter, **options).draws is not None  # type: ignore[arg-type]
    assert spectrum(adapter).draws == 1
    assert spectrum(adapter).epsilons == EPSILONS


def test_a_base_that_nothing_is_read_of_is_refused(bert: BertLike, tmp_path: Path) -> None:
    """A plain LoRA adapter is read without one; one that is made of W0, or rescaled with it, is not."""
    one, other = pair(tmp_path)
    base = tmp_path / "base"
    refused = f"the base {base} is named (--base, base) and no W0 is to be read (--no-w0, beside_w0=False)"
    fails(run("spectrum", one, "--no-w0", "--base", base), refused)
    fails(run("compare", one, other, "--no-w0", "--base", base), refused)
    with pytest.raises(LensError, match="does nothing: leave out one of the two"):
        spectrum(one, beside_w0=False, base=base)
    with pytest.raises(LensError, match="does nothing: leave out one of the two"):
        compare(load_adapter(one), load_adapter(other), beside_w0=False, base=open_base(base))
    assert run("spectrum", one, "--base", base).exit_code == 0
    assert run("compare", one, other, "--base", base, "--draws", 0).exit_code == 0
    loaded = load_adapter(one, base)  # for other questions
    assert spectrum(loaded, beside_w0=False).base is None
    made_of_w0, mini = demo_adapter("condlora"), load_adapter(demo_adapter("lora")).base_model
    assert spectrum(made_of_w0, "value", beside_w0=False, base=mini).base is None
    assert compare(made_of_w0, demo_adapter("lora"), beside_w0=False, base=mini, draws=0)
    assert run("spectrum", made_of_w0, "-m", "value", "--no-w0", "--base", mini).exit_code == 0


def test_a_base_that_a_magnitude_is_of_is_of_use(tmp_path: Path) -> None:
    """DoRA's magnitude is of W0's rows."""
    shape = BertLike()
    base = write_base(tmp_path / "base", shape)
    magnitude = {
        f"base_model.model.bert.{shape.path(k, module)}.lora_magnitude_vector.weight": torch.ones(
            24
        )
        for k in range(3)
        for module in shape.modules
    }
    write_lora(tmp_path / "dora", shape, config={"use_dora": True}, extra=magnitude)
    check_base_used([tmp_path / "dora"], str(base), beside_w0=False)
    write_lora(tmp_path / "lora", shape)
    with pytest.raises(LensError, match="does nothing"):
        check_base_used([tmp_path / "lora"], str(base), beside_w0=False)
    check_base_used([tmp_path / "lora", tmp_path / "dora"], str(base), beside_w0=False)
    check_base_used([tmp_path / "lora"], str(base), beside_w0=None)
    check_base_used([tmp_path / "lora"], None, beside_w0=False)
