"""Tables of hundreds of layers are a summary, whose numbers are those of the rows."""

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from rich.console import Console

import lora_lens as ll
from lora_lens.errors import ModuleLookupError
from lora_lens.files.names.called import find_module
from lora_lens.questions.comparison import tables as comparison
from lora_lens.questions.inventory import terminal as inventory_terminal
from lora_lens.questions.outliers import tables as outliers
from lora_lens.questions.shared import tables as shared
from lora_lens.questions.shared import terminal as shared_terminal
from lora_lens.questions.similarity import tables as similarity
from lora_lens.questions.spectrum import tables as spectrum
from lora_lens.questions.spectrum import terminal as spectrum_terminal
from lora_lens.show.layout import NONE, Table
from lora_lens.show.many_rows import MOST_ROWS, condensed, ends

LAYERS = 40


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> ll.Adapter:
    folder = tmp_path_factory.mktemp("deep")
    write_base(folder / "base", BertLike(layers=LAYERS))
    write_lora(folder / "lora", BertLike(layers=LAYERS))
    return ll.load_adapter(folder / "lora", folder / "base")


def test_numbers_of_a_summary_are_the_rows_own() -> None:
    rows = [["up", str(k), f"{1000 - k:,}", NONE if k % 2 else f"-{k}.5"] for k in range(70)]
    table = Table("Norms, layer by layer", ["module", "layer", "norm", "z"], rows)
    assert condensed(table._replace(rows=rows[:MOST_ROWS])).rows == rows[:MOST_ROWS]
    found = condensed(table)
    assert found.head == ["module", "over layers", "matrices", "norm", "z"]
    assert found.rows == [
        ["up", "least", "70", "931", "-68.5"],
        ["", "median", "", "965", "-34.5"],
        ["", "most", "", "1,000", "-0.5"],
    ]
    assert "layer by layer" not in found.title


def test_the_infinite_is_the_most() -> None:
    assert ends(["∞", NONE, "2.0", "< 0.1"]) == ("< 0.1", "2.0", "∞")


def test_experts_are_one_and_two_sides_of_a_model_are_not() -> None:
    """T5's encoder and decoder have their feed-forward layers at 1 and 2 of a block."""
    names = [*("1.wo", "2.wo"), *(f"{k}.up" for k in range(8))]
    rows = [[name, str(layer), "1.0"] for name in names for layer in range(10)]
    found = condensed(Table("Norms", ["module", "layer", "norm"], rows))
    assert [row[0] for row in found.rows if row[0]] == ["1.wo", "2.wo", "*.up"]


def _printed(shown: object) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_hundreds_of_matrices_are_a_few_rows(deep: ll.Adapter) -> None:
    console = Console(width=80)
    found = ll.inspect(deep)
    text = _printed(inventory_terminal.terminal(found, console))
    assert len(text.splitlines()) < 30
    norms = sorted(one.frobenius_norm for one in found.modules if one.module == "query")
    assert all(f"{one:#.4g}" in text for one in (norms[0], norms[-1]))
    assert "80 matrices are too many for a row each: every one is in --json and in the CSV" in text
    assert len(found.rows()) == 80

    spectra = ll.spectrum(deep, draws=0)
    assert len(_printed(spectrum_terminal.terminal(spectra, console)).splitlines()) < 60
    assert max(len(one.rows) for one in spectrum.tables(spectra)) < 10


def test_a_page_has_no_table_of_forty_columns(deep: ll.Adapter) -> None:
    found = ll.conversion_similarity(deep, "value", draws=2)
    grid = similarity.tables(found)[1]
    assert len(grid.head) == 11
    assert "means of 4 × 4 layers" in grid.title
    off = found["A"].values[:4, 4:8]
    assert grid.rows[0][2] == f"{off.mean():.3f}"

    both = ll.compare(deep, deep, "value", draws=2)
    by_layer = comparison.tables(both)[1]
    assert list(by_layer.head) == ["matrix", "side", "least", "median", "most", "mean", "gaussian"]
    assert f"over {LAYERS} layers" in by_layer.title
    assert by_layer.rows[0][2:5] == ["1.00"] * 3

    named = ll.outliers(deep, "value", draws=2)
    _, _, shares, _ = outliers.tables(named)
    assert shares.head == ["coordinate", "least", "median", "most"]
    first = named.candidates[0].share
    assert shares.rows[0][1:] == [
        f"{one:.2f}" for one in (first.min(), np.sort(first)[19], first.max())
    ]


def test_of_many_layers_those_with_the_smallest_p_are_shown(deep: ll.Adapter) -> None:
    found = ll.shared_subspace(deep, "value", draws=4)
    by_layer = [one for one in shared.tables(found) if "smallest p" in one.title]
    assert [len(one.rows) for one in by_layer] == [10, 10]
    asked = found["A"].predicted
    assert asked is not None
    kept = [asked.layers.index(int(row[0])) for row in by_layer[0].rows]
    p = np.asarray(asked.by_layer.p)
    assert p[kept].max() <= np.delete(p, kept).min() + 5e-4
    assert len(_printed(shared_terminal.terminal(found, Console(width=80))).splitlines()) < 70


def test_sixty_four_experts_are_no_line_of_a_thousand_letters() -> None:
    patterns = {f"{k}.up_proj": f"layers.*.experts.{k}.up_proj" for k in range(64)}
    for asked in ("up_proj", "nothing"):
        with pytest.raises(ModuleLookupError, match=r"15\.up_proj and 48 more") as error:
            find_module(asked, patterns)
        assert len(str(error.value)) < 500
