import re
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import pytest

from lora_lens.errors import SettingsError
from lora_lens.reproduction.experiment.config import (
    Analysis,
    Config,
    Equivalence,
    Longer,
    Search,
    UnusedRows,
    longer_settings,
    search_settings,
)
from lora_lens.reproduction.experiment.config_file import SHIPPED, read_config
from lora_lens.reproduction.experiment.paper import TABLE_4
from lora_lens.reproduction.page.tables import setup
from lora_lens.reproduction.page.tables.setup import setup_table
from lora_lens.reproduction.runs.steps import plan
from lora_lens.training.arguments import optimiser_steps, training_arguments
from lora_lens.training.settings import RunSettings


@pytest.mark.parametrize("name", SHIPPED)
def test_what_comes_with_the_package_can_be_read(name: str) -> None:
    config = read_config(name)
    assert config.name == name
    for task in config.tasks:
        for method in config.methods:
            assert config.settings(task, method).task == task


def test_the_papers_configuration_is_the_papers() -> None:
    config = read_config("paper")
    assert set(config.tasks) == {"mnli", "sst2", "mrpc", "cola", "qnli", "qqp", "rte", "stsb"}
    assert config.settings("rte", "condlora") == RunSettings(
        task="rte", method="condlora", base="FacebookAI/roberta-base", epochs=100, head="zero",
        convention="stored",
    )  # fmt: skip
    assert config.settings("mnli", "lora").epochs == config.settings("qqp", "lora").epochs == 50
    assert config.search.trials == 5
    assert config.search.learning_rate == (5e-5, 5e-3)
    assert config.search.sampler == "tpe"


# GLUE's training rows, of which nine tenths are trained on.
ROWS = {
    "mnli": 392_702, "sst2": 67_349, "mrpc": 3_668, "cola": 8_551, "qnli": 104_743, "qqp": 363_846,
    "rte": 2_490, "stsb": 5_749,
}  # fmt: skip


def test_how_long_the_papers_experiment_takes_is_counted_from_its_settings(tmp_path: Path) -> None:
    """Trials in full, which the runs are taken from; the fewest steps where each ends by its patience at once."""
    config = read_config("paper")
    assert (config.search.epochs, config.search.prune, config.seeds) == (None, False, (0,))
    fewest = most = 0
    for step in plan(config, tmp_path):
        if step.kind == "search":
            settings = search_settings(config, step.task, step.of_method)
            assert settings == config.settings(step.task, step.of_method, seed=0)
            rows = ROWS[step.task] * 9 // 10
            interval = training_arguments(settings, tmp_path, rows, True, False).eval_steps
            most += config.search.trials * optimiser_steps(settings, rows)
            fewest += config.search.trials * int(interval) * (1 + settings.patience)
    days = [count * settings.batch_size / TABLE_4["lora"][1] / 86_400 for count in (fewest, most)]
    text = files("lora_lens.reproduction") / "configs" / "paper.toml"
    comment = " ".join(text.read_text("utf-8").replace("\n#", "").split("\nname =")[0].split())
    said = (
        f"{fewest / 1e6:.1f} million steps of {settings.batch_size} rows at the least, where each ends by its patience "
        f"as soon as it may, and {most / 1e6:.0f} million at the most: {days[0]:.0f} to {round(days[1], -1):.0f} days at the "
        f"{TABLE_4['lora'][1]:.0f} rows a second of the paper's Table 4"
    )
    assert said in comment


def test_the_convention_stands_among_what_was_not_as_in_the_paper() -> None:
    """The released code trains by another than every run here, and the table left it out."""
    for name in SHIPPED:
        config = read_config(name)
        here = {config.settings(task, "condlora").convention for task in config.tasks}
        rows = {row[0]: row[1:] for row in setup_table(config).rows}
        if name == "paper":
            assert (here, rows) == ({"stored"}, {})
        else:
            assert here == {"consistent"}
            ours, paper = rows["convention"]
            # An arm of its own convention stands behind what the others have.
            assert (ours.split(", ")[0], paper) == ("consistent", "stored")
            assert ("stored" in ours) == ("stored" in config.names)


def test_a_tasks_own_settings_come_last(tmp_path: Path) -> None:
    text = """
    name = "x"
    base = "b"
    seeds = [3, 4]
    [training]
    epochs = 2
    target_modules = ["key"]
    [analysis]
    modules = ["key"]
    [tasks.rte]
    [tasks.stsb]
    epochs = 5
    """
    (tmp_path / "x.toml").write_text(text)
    config = read_config(str(tmp_path / "x.toml"))
    assert config.settings("rte", "lora", seed=4, learning_rate=1e-3) == RunSettings(
        task="rte", method="lora", base="b", epochs=2, target_modules=("key",), seed=4,
        learning_rate=1e-3,
    )  # fmt: skip
    assert config.settings("stsb", "lora").epochs == 5
    assert config.seeds == (3, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "is not TOML"),
        ('base = "b"\n[tasks.rte]', "says no 'name'"),
        ('name = "x"\nbase = "b"', "says no 'tasks'"),
        ('name = "x"\nbase = "b"\nseed = 1\n[tasks.rte]', "says 'seed'"),
        ('name = "x"\nbase = "b"\n[tasks.chess]', "no task 'chess'"),
        ('name = "x"\nbase = "b"\n[tasks]', "says no 'tasks'"),
        ('name = "x"\nbase = "b"\ntasks = ["rte"]', r"tasks = \['rte'\], expected a table"),
        ('name = "x"\nbase = "b"\n[tasks]\nrte = 5', "tasks = {'rte': 5}, expected a table"),
        ('name = "x"\nbase = "b"\nmethods = ["dora"]\n[tasks.rte]', "each lora or condlora"),
        (
            'name = "x"\nbase = "b"\nseeds = 3\n[tasks.rte]',
            "seeds = 3, expected a list, each a whole",
        ),
        (
            'name = "x"\nbase = "b"\nseeds = []\n[tasks.rte]',
            "seeds are none, or one is there twice",
        ),
        (
            'name = "x"\nbase = "b"\nseeds = [1, 1]\n[tasks.rte]',
            "seeds are none, or one is there twice",
        ),
        ('name = "x"\nbase = "b"\nseeds = [-1]\n[tasks.rte]', "x.toml: seed is -1"),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\nepochs = "two"',
            r"\[tasks.rte\] says epochs = 'two', exp",
        ),
        ('name = "x"\nbase = "b"\n[tasks.rte]\nepochs = true', r"epochs = True, expected a number"),
        ('name = "x"\nbase = "b"\n[tasks.rte]\nrank = 8.5', r"rank = 8.5, expected a whole number"),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\nrank = 0',
            r"x.toml: rank is 0, expected at least 1",
        ),
        ('name = "x"\nbase = "b"\n[tasks.rte]\nprecision = "fp8"', "expected float32 or bfloat16"),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search]\nlearning_rate = [1]',
            "a list of 2, each a num",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search]\nlearning_rate = [1, 0]',
            "the lowest learning rate",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search]\ntrials = 0',
            r"\[search\] trials is 0, expected 1",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search.tasks.rte]\ntrials = 0',
            r"\[search\] trials is 0, expected 1",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search.tasks.rte]\nseeds = [2, 2]',
            "x.toml: seeds of a trial are 2, 2; expected each once",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search.tasks.mrpc]\ntrials = 2',
            r"\[search.tasks\] names 'mrpc', which is none of its tasks: rte",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search.tasks.rte.tasks.rte]\ntrials = 2',
            r"\[search.tasks.rte\] says 'tasks'; what is known there: ",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search.tasks.rte]\ntrial = 2',
            r"\[search.tasks.rte\] says 'trial'",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\nlearning_rate = 1e-3',
            "tasks.rte may not say 'learning_rate'; it is a method's own",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte.lora]\nlearning_rate = 0.0',
            "x.toml: learning_rate is 0.0, expected above 0",
        ),
        ('name = "x"\nbase = "b"\n[tasks.rte.lora]\nseed = 1', "tasks.rte.lora may not say 'seed'"),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\nlora = 1e-3',
            "tasks.rte.lora is 0.001, expected a table",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte.adalora]\nepochs = 2',
            r"\[tasks.rte.adalora\] is of none of its methods: lora, condlora",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[analysis]\ndraws = 1',
            "draws is 1, expected 2 at least",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[analysis]\nfigure_task = "mrpc"',
            "'mrpc' is none of its",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\ntarget_modules = ["key"]',
            "modules names 'value', which rte does not train; it trains: key",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[longer]\nseeds = [1]',
            r"\[longer\] seeds names 1, which is none of its seeds: 0",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[longer]\nfactor = 1',
            r"\[longer\] factor is 1, expected a number above 1",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[longer]\nfactor = inf',
            r"\[longer\] factor is inf, expected a number above 1",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[analysis]\nshared_draws = -1',
            "shared_draws is -1, expected 2 at least",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[equivalence]\nmargin = 0',
            "x.toml: the margin of equivalence is 0, expected a number of points above 0",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[equivalence]\nmargin = -1.5',
            "the margin of equivalence is -1.5, expected",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[equivalence]\nmargin = nan',
            "the margin of equivalence is nan, expected",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[equivalence]\ndraws = 10',
            r"\[equivalence\] draws is 10, expected 100 at least",
        ),
        ('name = "x"\nbase = "b"\n[tasks.rte]\nepoch = 1', r"\[tasks.rte\] says 'epoch'"),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[longer]\nseeds = [0, 0]',
            r"\[longer\] seeds names 0 twice",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[analysis]\nmodules = []',
            r"\[analysis\] modules names none",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[analysis]\nmodules = ["value", "value"]',
            r"\[analysis\] modules names value twice",
        ),
        (
            'name = "x"\nbase = "b"\n[tasks.rte]\n[search]\nseeds = [-1]',
            "seed is -1, expected at least 0",
        ),
        ('name = "x"\nbase = "b"\n[tasks.rte]\n[training]\nseed = 1', "may not say 'seed'"),
        ('name = "x"\nbase = "b"\n[tasks.rte]\n[search]\ntrial = 1', r"\[search\] says 'trial'"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_config(str(tmp_path / "x.toml"))


def test_what_is_known_there_is_what_may_be_said(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('name = "x"\nbase = "b"\n[tasks.rte]\nepoch = 1')
    with pytest.raises(SettingsError) as caught:
        read_config(str(tmp_path / "x.toml"))
    known = str(caught.value).partition("what is known there: ")[2].split(", ")
    assert "epochs" in known
    for key in known:  # of another type than its own, but not refused as such
        (tmp_path / "x.toml").write_text(f'name = "x"\nbase = "b"\n[tasks.rte]\n{key} = {{}}')
        with pytest.raises(SettingsError, match=f"says {key} = {{}}, expected"):
            read_config(str(tmp_path / "x.toml"))


def test_longer_runs_come_after_a_tasks_runs_and_before_its_analyses(tmp_path: Path) -> None:
    text = (
        'name = "x"\nbase = "b"\nseeds = [3, 4]\n[longer]\nseeds = [4]\n[tasks.rte]\n[tasks.stsb]'
    )
    (tmp_path / "x.toml").write_text(text)
    config = read_config(str(tmp_path / "x.toml"))
    steps = list(plan(config, tmp_path / "out"))
    once = [
        *(["search", "run", "run"] * 2),
        "pairs",
        *(["longer"] * 2),
        *(["analysis"] * 2),
    ]
    assert [step.kind for step in steps] == once * 2
    longer = [step for step in steps if step.kind == "longer"]
    assert {(step.method, step.seed) for step in longer} == {("lora", 4), ("condlora", 4)}
    assert str(longer[0]) == "run of more epochs, rte lora, seed 4"
    short = config.settings("rte", "lora", seed=4, learning_rate=1e-3)
    longer_one = longer_settings(config, short)
    assert (short.resolved().epochs, longer_one.epochs) == (100, 200)
    assert replace(longer_one, epochs=100) == short.resolved()


def test_without_lora_there_is_nothing_to_analyse(tmp_path: Path) -> None:
    for methods, kinds in (
        ("condlora", {"search", "run"}),
        ("lora", {"search", "run", "analysis"}),
    ):
        text = f'name = "x"\nbase = "b"\nmethods = ["{methods}"]\n[tasks.rte]'
        (tmp_path / "x.toml").write_text(text)
        steps = plan(read_config(str(tmp_path / "x.toml")), tmp_path / "out")
        assert {step.kind for step in steps} == kinds


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="paper, mpnet, minilm, adalora, smoke"):
        read_config(str(tmp_path / "none.toml"))


def test_a_task_may_be_searched_in_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        'name = "x"\nbase = "b"\n[tasks.rte]\n[tasks.mrpc]\n[search]\ntrials = 3\nepochs = 2\n'
        "[search.tasks.mrpc]\ntrials = 4\nseeds = [0, 1]\n"
    )
    config = read_config(str(tmp_path / "x.toml"))
    assert (config.search.of("rte").trials, config.search.of("rte").seeds) == (3, ())
    assert (config.search.of("mrpc").trials, config.search.of("mrpc").seeds) == (4, (0, 1))
    assert config.search.of("mrpc").epochs == 2
    rows = dict(row[:2] for row in setup_table(config).rows)
    assert rows["trials of a search"] == "3, 4 (MRPC)"
    assert rows["seeds of a trial"] == "1, 2 (MRPC)"


def test_every_setting_that_is_not_the_papers_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        'name = "x"\nbase = "b"\n[training]\ntrain_rows = 1600\n[tasks.rte]\n[tasks.mrpc]\n'
        "[tasks.mrpc.condlora]\ntrain_rows = 90\n"
        '[search.tasks.rte]\nlearning_rate = [1e-5, 1e-4]\nsampler = "qmc"\nprune = false\n'
    )
    rows = {row[0]: row[1:] for row in setup_table(read_config(str(tmp_path / "x.toml"))).rows}
    assert rows["rows of RTE"] == ["1,600", "all"]
    assert rows["rows of MRPC"] == ["1,600, 90 (CondLoRA)", "all"]
    assert rows["learning rates searched"][0] == "5e-05 to 0.005, 1e-05 to 0.0001 (RTE)"
    assert rows["sampler"][0] == "tpe, qmc (RTE)"
    assert rows["pruning"][0] == "yes, no (RTE)"


# What is said elsewhere on the page, or decides no score.
SAID_ELSEWHERE = {
    *("task", "method", "base", "data", "own", "seed", "learning_rate", "epochs", "train_rows"),
    "gradient_checkpointing",
}


def test_no_setting_of_a_run_is_forgotten_by_the_page() -> None:
    told = {*setup._SETTINGS, *SAID_ELSEWHERE}
    assert {one.name for one in fields(RunSettings)} == told
    assert {one.name for one in fields(Search)} == {
        *("trials", "seeds", "learning_rate", "sampler", "prune", "epochs", "cut", "tasks"),
    }  # a new one needs a row


def test_trials_may_be_the_beginning_of_a_runs_own_schedule(tmp_path: Path) -> None:
    text = 'name = "x"\nbase = "b"\n[tasks.rte]\nepochs = 8\n[search]\nepochs = 2\n'
    (tmp_path / "own.toml").write_text(text)
    (tmp_path / "cut.toml").write_text(text + "cut = true\n")
    own, cut = (
        search_settings(read_config(str(tmp_path / f"{name}.toml")), "rte", "lora")
        for name in ("own", "cut")
    )
    assert (own.epochs, own.stop_after) == (2, None)
    assert (cut.epochs, cut.stop_after) == (8, 2)


A_METHODS_OWN = """
name = "x"
base = "b"
[training]
precision = "bfloat16"
[tasks.rte]
[tasks.mrpc]
epochs = 8
[tasks.mrpc.condlora]
learning_rate = 5e-4
epochs = 16
precision = "float32"
"""


def test_a_method_may_have_settings_of_its_own_on_a_task(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(A_METHODS_OWN)
    config = read_config(str(tmp_path / "x.toml"))
    lora, condlora, other = (
        config.settings(task, method, learning_rate=1e-3)
        for task, method in (("mrpc", "lora"), ("mrpc", "condlora"), ("rte", "condlora"))
    )
    assert (lora.epochs, lora.precision, lora.learning_rate) == (8, "bfloat16", 1e-3)
    assert (condlora.epochs, condlora.precision) == (16, "float32")
    assert (other.epochs, other.precision, other.learning_rate) == (None, "bfloat16", 1e-3)
    rows = dict(row[:2] for row in setup_table(config).rows)
    assert rows["epochs, MRPC"] == "8, 16 (CondLoRA)"
    assert rows["precision"] == "bfloat16, float32 (CondLoRA on MRPC)"


def test_a_task_that_the_paper_does_not_have_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('name = "x"\nbase = "b"\n[tasks.wnli]\nepochs = 3\n')
    rows = {row[0]: row[1:] for row in setup_table(read_config(str(tmp_path / "x.toml"))).rows}
    assert rows["epochs, WNLI"][0] == "3"


def test_a_learning_rate_that_is_given_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(A_METHODS_OWN)
    config = read_config(str(tmp_path / "x.toml"))
    searched = [
        (step.task, step.method) for step in plan(config, tmp_path) if step.kind == "search"
    ]
    assert searched == [("rte", "lora"), ("rte", "condlora"), ("mrpc", "lora")]
    settings = config.settings("mrpc", "condlora", seed=1, learning_rate=1e-3)
    assert (settings.learning_rate, settings.seed) == (5e-4, 1)
    rows = dict(row[:2] for row in setup_table(config).rows)
    assert rows["learning rates that were given"] == "0.0005 (CondLoRA on MRPC)"


PAGE = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_an_experiment(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PAGE.split("```toml\n")[1].split("```")[0])
    config = read_config(str(tmp_path / "mine.toml"))
    steps = list(plan(config, tmp_path))
    assert [step.kind for step in steps if step.task == "rte"] == [
        "search", "run", "run", "search", "run", "run", "pairs", "longer", "longer", "analysis", "analysis"
    ]  # fmt: skip
    assert not config.is_searched("mrpc", "condlora")
    assert search_settings(config, "rte", "lora").stop_after == 2
    assert search_settings(config, "mrpc", "lora").stop_after is None


@pytest.mark.parametrize(
    ("heading", "kind", "elsewhere"),
    [
        (
            "at the top",
            Config,
            {"tasks", "training", "search", "longer", "equivalence", "analysis"},
        ),
        ("`[search]`", Search, {"tasks"}),
        ("`[longer]`", Longer, set()),
        ("`[equivalence]`", Equivalence, set()),
        ("`[analysis]`", Analysis, set()),
        ("`[unused_rows]`", UnusedRows, set()),
    ],
)
def test_the_page_names_every_key(heading: str, kind: type, elsewhere: set[str]) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {heading}"))
    named = set(re.findall("`([a-z_]+)`", row.split("|")[2]))
    assert {field.name for field in fields(kind)} - elsewhere <= named
