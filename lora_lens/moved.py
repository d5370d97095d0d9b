"""Where what other people import has gone: old module paths and names go on working, with a DeprecationWarning.

The table is tested against every public name that version 0.1.0's first layout had, and those that pages of docs/api had since.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ROOT = __name__.rpartition(".")[0]
_QUESTIONS = {
    "amplification": "amplification",
    "comparison": "comparison",
    "dynamics": "dynamics",
    "inventory": "inventory",
    "matrix": "matrix",
    "rank_grids": "grid",
    "shared": "shared",
    "similarity": "similarity",
    "spectrum": "spectrum",
}
# Old module → the modules in which its names are now looked for, in this order. Below lora_lens.
MODULES: Mapping[str, tuple[str, ...]] = {
    "adapter": (),
    "analyses": (),
    "analyses.adapter_bases": (
        "questions.matrix.adapter_bases", "questions.matrix.common_layers", "questions.matrix.reading",
    ),
    "analyses.adapter_comparison": ("questions.comparison.compared", "questions.comparison.analysis"),
    "analyses.adapter_matrix": ("questions.matrix.analysis",),
    "analyses.amplification": ("questions.amplification.analysis",),
    "analyses.conversion_bases": ("subspaces.conversions",),
    "analyses.delta": ("subspaces.delta",),
    "analyses.dynamics": ("questions.dynamics.analysis",),
    "analyses.factor_spaces": ("subspaces.factors",),
    "analyses.inventory": ("questions.inventory.analysis",),
    "analyses.layer_bases": ("subspaces.layers",),
    "analyses.layer_similarity": ("questions.similarity.analysis",),
    "analyses.moments": ("questions.dynamics.checkpoint",),
    "analyses.null_baselines": ("chance.conversion_baselines",),
    "analyses.null_bases": ("chance.streams", "chance.draws", "chance.conversion_draws", "chance.p_values"),
    "analyses.pairing": ("subspaces.pairing",),
    "analyses.rank_grids": ("questions.grid.one_grid", "questions.grid.w0_and_delta", "questions.grid.analysis"),
    "analyses.rank_suggestion": ("questions.spectrum.suggestion",),
    "analyses.selection": ("subspaces.dimensions", "subspaces.selection", "subspaces.device"),
    "analyses.shared_subspace": ("questions.shared.analysis",),
    "analyses.spectrum": ("questions.spectrum.analysis",),
    # Still there, without the closed form; so is what follows below like it.
    "chance.gaussian": ("chance.gaussian_moments",),
    "core.baseline": ("chance.gaussian_moments", "chance.gaussian"),
    "core.conversion": (
        "core.conversions.conversion", "core.solving.factoring", "core.solving.rounded",
        "core.solving.solvers", "core.solving.condition", "core.numbers.precision",
    ),
    "core.ij_grid": ("core.similarity.phi_of_bases",),
    "core.nulls": ("chance.draws",),
    "core.spectrum": ("core.spectra.spectrum", "core.factors.product_svd"),
    "core.subspace": (
        "core.similarity.phi", "core.similarity.angles", "core.factors.leading_basis",
        "core.numbers.checked", "core.factors.rank", "core.factors.bases",
        "core.similarity.phi_of_bases", "core.numbers.precision",
    ),
    # Beside one another in core, before it had rooms.
    **{
        f"core.{name}": (f"core.{room}.{name}",)
        for room, names in {
            "factors": ("product_svd",),
            "spectra": ("energy", "intruders", "random_matrix"),
            "similarity": ("angles", "phi"),
            "many_adapters": ("clustering", "merging", "robust"),
        }.items()
        for name in names
    },
    "core.families": (),
    **{
        f"core.families.{name}": (f"core.many_adapters.{name}",)
        for name in ("clustering", "merging", "robust")
    },
    "export": ("writing.export",),
    "loaders": ("formats", "bases.opening", "bases.of_adapter"),
    "loaders.base": ("bases.opening", "bases.of_adapter", "bases.weights"),
    "loaders.checkpoint": ("formats.format",),
    "loaders.condlora": ("core.conversions.conversion", "formats.factors.shared_theta"),
    "loaders.grouping": ("formats.factors.grouping",),
    "loaders.locate": ("files.locate", "files.hub_files", "files.json_files"),
    "loaders.lora": ("formats.peft.settings", "formats.peft.names", "formats.factors.factor_pairs"),
    "loaders.many": ("files.adapter_folders",),
    "loaders.names": ("files.names", "files.peft_names", "bases.matching"),
    "loaders.runs": ("files.checkpoints",),
    "loaders.tensors": ("files.tensors", "files.local_files"),
    "outputs": (),
    **{f"plots.{old}": (f"questions.{new}.plots",) for old, new in _QUESTIONS.items()},
    "plots.scores": ("reproduction.page.plots",),
    "plots.singular_values": ("show.singular_values",),
    "plots.style": ("show.style",),
    "questions.spectrum.result": (),
    "report.sentences": (),
    "reproduction.pipeline": ("reproduction.runs.pipeline", "reproduction.runs.steps", "reproduction.runs.asked"),
    "reproduction.scores": ("reproduction.numbers.scores",),
    "results": (
        *(f"questions.{new}.result" for new in _QUESTIONS.values()),
        "questions.spectrum.suggestion_result", "chance.baseline", "chance.against_null",
        "chance.significance", "reproduction.numbers.scores",
    ),
    **{f"results.{old}": (f"questions.{new}.result",) for old, new in _QUESTIONS.items()},
    "results.baseline": ("chance.baseline",),
    "results.forms": ("labelled",),
    "results.null_test": ("chance.against_null",),
    "results.rank_suggestion": ("questions.spectrum.suggestion_result",),
    "results.scores": ("reproduction.numbers.scores",),
    "results.significance": ("chance.significance",),
    "results.statistics": ("chance.p_values",),
    "show.draw_matplotlib": ("show.drawing.with_matplotlib",),
    "tables": (),
    **{f"tables.{old}": (f"questions.{new}.tables", f"questions.{new}.terminal") for old, new in _QUESTIONS.items()},
    "tables.console": ("show.console",),
    "tables.files": ("show.csv_text", "show.text"),
    "tables.layout": ("show.layout",),
    "tables.sentences": (),
    "tables.sentences.comparison": (),
    "tables.sentences.shared": (),
    "tables.sentences.similarity": (),
    "tables.sentences.wording": ("show.wording",),
    "tables.significance": ("show.against_chance",),
}  # fmt: skip
# Old name → new one, where the name changed too.
NAMES: Mapping[str, str] = {
    "adapter.Part": "adapter.FusedRows",
    "core.subspace.working": "core.numbers.either.in_float64",
    "loaders.base.CONV1D_MODELS": "bases.orientation.CONV1D_MODULES",
    "analyses.rank_grids.TOP": "subspaces.dimensions.LEADING",
    "analyses.moments.Moment": "questions.dynamics.checkpoint.CheckpointSubspaces",
    "analyses.moments.end_moment": "questions.dynamics.checkpoint.end_point_subspaces",
    "analyses.moments.moment_of": "questions.dynamics.checkpoint.checkpoint_subspaces",
    "report.sentences.grids_sentence": "questions.grid.words.summary",
    "report.sentences.spectrum_sentence": "questions.spectrum.words.summary",
    **{
        f"tables.{old}.summary": f"questions.{new}.tables.chance_table"
        for old, new in (
            ("comparison", "comparison"),
            ("shared", "shared"),
            ("similarity", "similarity"),
        )
    },
    "tables.rank_grids.summary": "questions.grid.tables.corner_table",
    "tables.spectrum.suggestion_table": "questions.spectrum.suggestion_tables.suggestion_table",
    "plots.style.METHODS": "reproduction.experiment.paper.NAMES",
    "results.dynamics.MATRIX_AND_SIDE": "subspaces.factors.SPACES",
    "questions.spectrum.result.BesideW0": "questions.spectrum.result.W0Comparison",
    "results.BesideW0": "questions.spectrum.result.W0Comparison",
    "results.spectrum.BesideW0": "questions.spectrum.result.W0Comparison",
    **{
        f"tables.sentences{module}.{question}_sentence": f"questions.{question}.words.summary"
        for question in ("comparison", "shared", "similarity")
        for module in ("", f".{question}")
    },
}
# Old name → what does its work, in other words.
GONE: Mapping[str, str] = {
    **{
        f"loaders.{name}": "lora_lens.load_adapter and the formats in lora_lens.formats.FORMATS"
        for name in (
            "checkpoint.open_folder", "checkpoint.read_checkpoint", "condlora.OURS",
            "condlora.RELEASED", "condlora.Shared", "condlora.convention_of",
            "condlora.read_condlora", "condlora.read_thetas", "grouping.Pair", "lora.read_lora",
            "lora.scaling_of",
        )
    },
    "plots.matrix.cluster_colours": "lora_lens.show.style.colour",
    "plots.singular_values.layer_bar": "lora_lens.show.singular_values.layer_scale",
    "tables.layout.counted": "lora_lens.several.counted",
    "plots.style.FACTORS": "lora_lens.show.layout.LABELS",
    "plots.style.layer_axis": "lora_lens.show.figure.named",
    "plots.style.log_axis": "lora_lens.show.drawing.log.log_axis",
    **{
        f"tables.sentences.wording.{name}": "lora_lens.chance.verdict.judge"
        for name in ("AS_TOLD", "BELOW", "TOO_FEW", "too_few")
    },
    "analyses.adapter_bases.listed": "lora_lens.show.wording.few",
    "analyses.layer_bases.condition_numbers": "SimilarityResult.condition_number",
    "outputs.write": "the method `write` of the questions in lora_lens.questions.QUESTIONS",
    "outputs.write_scores": "lora_lens.plots.scores_figure and curves_figure",
    "tables.spectrum.suggestion_line": "the attribute `summary` of lora_lens.suggest_ranks's result",
    "tables.Kind": "the names of the questions in lora_lens.questions.QUESTIONS",
}  # fmt: skip


def moved_name(module: str, name: str) -> Any:
    """What `name` of an old module is now, with a DeprecationWarning that says where.

    Args:
        module: The old module's full name.
        name: Without a leading underscore.

    Raises:
        AttributeError: The module never had it, or it is gone; the message says what does its work.
    """
    old = f"{module.removeprefix(f'{_ROOT}.')}.{name}"
    if old in GONE:
        raise AttributeError(f"{_ROOT}.{old} is gone; its work is done by {GONE[old]}")
    found = next(_found(old, module, name), None)
    if found is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, now = found
    public = now in import_module(_ROOT).__all__
    where = f"{_ROOT}.{now}" if public else f"{home.__name__}.{now}"
    warnings.warn(f"{_ROOT}.{old} is now {where}", DeprecationWarning, stacklevel=3)
    return getattr(home, now)


def _found(old: str, module: str, name: str) -> Iterator[tuple[ModuleType, str]]:
    if name.startswith("_"):
        return
    if old in NAMES:
        home, _, now = NAMES[old].rpartition(".")
        yield import_module(f"{_ROOT}.{home}"), now
    for home in MODULES[module.removeprefix(f"{_ROOT}.")]:
        now_in = import_module(f"{_ROOT}.{home}")
        if hasattr(now_in, name):
            yield now_in, name


class _MovedModules:
    """Makes the old modules, empty but for `moved_name`, when they are imported."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        old = fullname.removeprefix(f"{_ROOT}.")
        if old not in MODULES or old == fullname:
            return None
        package = any(other.startswith(f"{old}.") for other in MODULES)
        loader: Any = self
        return ModuleSpec(fullname, loader, is_package=package)

    def create_module(self, _spec: ModuleSpec) -> None:
        """As any other module is made."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = partial(_attribute, module.__name__)


def _attribute(module: str, name: str) -> Any:
    return moved_name(module, name)


def install() -> None:
    """Let the import system find the old modules; it looks for them after all others."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
