"""A run's record and its adapter's spectra → the text of a model card. Computes nothing but means."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..questions.spectrum.result import LayerSpectrum, Spectrum
from ..show.layout import Table, number, significant
from ..show.text import as_markdown, in_markdown
from ..show.wording import listed
from ..sources import SOURCES
from ..training.data.records import on_hub
from ..training.data.tasks import TASKS
from ..training.methods import METHODS
from .metadata import hub_base, metadata, named

_MARK = "<!-- A model card by lora-lens, {}. With a word changed, or without this line, it is yours, and is not written over. -->"
_DIGEST = re.compile(_MARK.replace("{}", "([0-9a-f]{16})"))


def is_untouched(text: str) -> bool:
    """Whether a card is as lora-lens wrote it, so that it may be replaced.

    Example:
        >>> text = _marked("--- tags: [] ---", "# A card")
        >>> is_untouched(text), is_untouched(text + "Mine."), is_untouched("# Mine")
        (True, False, False)
    """
    mark = _DIGEST.search(text)
    return mark is not None and _digest(text.replace(mark[0], "")) == mark[1]


def _marked(front: str, body: str) -> str:
    """The card, with a mark that has the checksum of all the rest."""
    around = f"{front}\n\n", f"\n\n{body}\n"
    return _MARK.format(_digest("".join(around))).join(around)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def card_text(
    record: Mapping[str, Any],
    spectrum: Spectrum | None,
    *,
    why: str = "",
    figure: str | None = None,
    repository: str | None = None,
) -> str:
    """The whole card: metadata, scores, settings, spectra.

    Args:
        record: What ``run.json`` holds.
        spectrum: Of the adapter.
        why: Where there is none, the reason.
        figure: Name of the picture beside the card.
        repository: Where the adapter is on the hub, if that is known: ``owner/name``.
    """
    settings = record["settings"]
    title = METHODS[settings["method"]].long_title
    parts = [
        f"# {in_markdown(settings['task'])}: {title} on {in_markdown(named(record))}",
        _sentence(record, title),
        f"## Scores\n\n{_tables(_scores(record))}\n{_rows(settings)}",
        f"## Training\n\n{_tables(_training(record))}\n"
        f"`run.json` holds every setting, the scores over time, the checksums of the data and the versions.",
        f"## Spectra\n\n{_spectra(spectrum, why, figure)}",
        f"## Use\n\n{_use(record, repository)}",
    ]
    body = "\n\n".join(part.strip() for part in parts)
    return _marked(_front_matter(metadata(record)).strip(), body)


def _front_matter(found: Mapping[str, Any]) -> str:
    """YAML, of which JSON's values are a part."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items()]
    return "\n".join(["---", *lines, "---"])


def _rows(settings: Mapping[str, Any]) -> str:
    """Which rows the scores are of."""
    own = settings.get("own")
    if own is None:
        files = listed(TASKS[settings["task"]].test_files)
        test = f"GLUE's validation rows ({files}), for GLUE keeps its test rows' labels"
        return f"The test set is {test}; the development set is a tenth of its training rows, held out."
    test, development = _whose(own, "test"), _whose(own, "development")
    return f"The test set is {test}; the development set is {development}."


def _whose(own: Mapping[str, Any], rows: str) -> str:
    """Rows of one's own: of a file nothing is told, for its name is nobody's business either."""
    source = own.get(rows)
    if source is None:
        return "a tenth of the training rows, held out"
    if source == own.get("train"):
        return "the training rows themselves"
    return f"{in_markdown(source)} of the hub" if on_hub(source) else "rows of their own"


def _sentence(record: Mapping[str, Any], title: str) -> str:
    settings = record["settings"]
    data = "GLUE's" if settings.get("own") is None else "own data,"
    if settings["method"] == "head-alone":
        return (
            f"A head, and no layer adapted, trained on {data} {in_markdown(settings['task'])} by lora-lens: "
            f"{record['head_parameters']:,} trained numbers."
        )
    return (
        f"{_article(title)} {title} adapter of {listed(settings['target_modules'])} at rank {settings['rank']}, trained on "
        f"{data} {in_markdown(settings['task'])} by lora-lens: "
        f"{record['trainable_parameters']:,} trained numbers in the low-rank part, and "
        f"{record['head_parameters']:,} in the head."
    )


def _article(title: str) -> str:
    """Of a name that is said as a word.

    Example:
        >>> _article("AdaLoRA"), _article("LoRA")
        ('An', 'A')
    """
    return "An" if title[0] in "AEIOaeio" else "A"


def _scores(record: Mapping[str, Any]) -> Table:
    rows = [
        [label, number(record[key], 4)]
        for label, key in (
            ("test set", "test_score"),
            ("development set, which chose the checkpoint", "development_score"),
            ("always the commonest answer, test set", "majority_score"),
        )
        if record.get(key) is not None
    ]
    return Table(f"{record['metric']}", ["rows", record["metric"]], rows)


def _training(record: Mapping[str, Any]) -> Table:
    settings, rows, commit = record["settings"], record["rows"], record.get("base_commit")
    shown = {
        "method": settings["method"],
        "base": named(record) + (f"@{commit}" if commit and hub_base(record) else ""),
        "modules": ", ".join(settings["target_modules"]),
        "r, α, dropout": f"{settings['rank']}, {settings['alpha']:g}, {settings['dropout']:g}",
        "learning rate": f"{settings['learning_rate']:.4g}, linear, {100 * settings['warmup']:g} % of the steps to rise",
        "batch, epochs": f"{settings['batch_size']}, {settings['epochs']:g}",
        "precision, tokens": f"{settings['precision']}, at most {record.get('cut_at', settings['max_length'])} a row",
        "steps, best": f"{record['steps']}, {record['best_step']}",
        "seed": str(settings["seed"]),
        "rows": f"{rows['train']} to train on, {rows['development']} to choose by, {rows['test']} to test",
        "versions": ", ".join(f"{name} {said}" for name, said in record["versions"].items()),
    }
    if settings["method"] == "head-alone":
        del shown["modules"], shown["r, α, dropout"]
    if METHODS[settings["method"]].from_w0:
        shown["convention"] = settings["convention"]
        if "source" in settings:
            shown["made of"] = SOURCES[settings["source"]]
    return Table("Settings", ["", ""], [list(row) for row in shown.items()])


def _spectra(spectrum: Spectrum | None, why: str, figure: str | None) -> str:
    if spectrum is None:
        return f"Not told: {in_markdown(why)}"
    picture = f"\n![Singular values of ΔW, and its ranks by layer]({figure})\n" if figure else ""
    rows = [_row(module, spectrum.of(module)) for module in spectrum.modules]
    head = ["module", "layers", "‖ΔW‖_F", "‖ΔW‖_2", "stable rank", "effective rank", "holds 95 %"]
    table = Table("ΔW = s·B·A, means over the layers", head, rows)
    return f"{spectrum.summary}\n\n{_tables(table)}{picture}"


def _row(module: str, layers: Sequence[LayerSpectrum]) -> list[str]:
    trained = [one for one in layers if one.stable_rank is not None]
    return [
        module,
        str(len(layers)),
        significant(_mean([one.frobenius_norm for one in layers])),
        significant(_mean([one.spectral_norm for one in layers])),
        number(_mean([one.stable_rank for one in trained]), 2),
        number(_mean([one.effective_rank_s for one in trained]), 2),
        number(_mean([one.rank_95 for one in trained]), 1),
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _use(record: Mapping[str, Any], repository: str | None) -> str:
    settings = record["settings"]
    # Without an owner the hub makes it the pusher's, who is not known here.
    adapter = repository if repository and "/" in repository else "THIS_ADAPTER"
    given = f"num_labels={_outputs(record)}"
    if "replaced_head" in record:
        # The base's own head has another shape, and transformers would refuse it.
        given += ", ignore_mismatched_sizes=True"
    base = hub_base(record)
    if METHODS[settings["method"]].from_w0:
        # A and B are made of W0: of another commit's they would be others.
        commit = record.get("base_commit")
        at = f'revision="{commit}", ' if commit and base else ""
        code = [
            "from lora_lens.training.condlora import load_condlora_model",
            "from transformers import AutoModelForSequenceClassification",
            "",
            "base = AutoModelForSequenceClassification.from_pretrained(",
            f"    {_quoted(named(record))}, {at}{given}",
            ")",
            f"model = load_condlora_model(base, {_quoted(adapter)})",
        ]
        more = [
            f"For PEFT alone `lora-lens export {adapter} --out PLAIN` turns it into plain LoRA."
        ]
        here = "The base, {}, is a folder"
        is_here = base is None
    else:
        code = [
            "from peft import AutoPeftModelForSequenceClassification",
            "",
            "model = AutoPeftModelForSequenceClassification.from_pretrained(",
            f"    {_quoted(adapter)}, {given}",
            ")",
        ]
        more = []
        here = "`adapter_config.json` names the base, {}, by a folder"
        is_here = base != settings["base"].partition("@")[0]
    if is_here:
        told = here.format(in_markdown(named(record)))
        more.insert(
            0, f"{told} of the machine that trained it: put there what it is called on yours."
        )
    return "\n\n".join(["\n".join(["```python", *code, "```"]), *more])


def _quoted(name: str) -> str:
    """As Python's code has it, whatever is in it."""
    return json.dumps(name, ensure_ascii=False)


def _outputs(record: Mapping[str, Any]) -> str:
    """How many outputs the head has: classes, or 1 of a regression; older records of own data do not say how many classes."""
    if "outputs" in record:
        return str(record["outputs"])
    settings = record["settings"]
    if settings.get("own") is None and settings["task"] in TASKS:
        return str(len(TASKS[settings["task"]].labels or (settings["task"],)))
    return {"pearson": "1", "f1": "2"}.get(record["metric"], "HOW_MANY_CLASSES")


def _tables(*tables: Table) -> str:
    return as_markdown(tables)
