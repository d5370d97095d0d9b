"""Options that several commands share, each said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .output import Output


class Side(StrEnum):
    """Whose singular vectors span the subspaces."""

    left = "left"
    right = "right"


class Convention(StrEnum):
    """Which equation makes a conversion matrix."""

    stored = "stored"
    consistent = "consistent"


class ConventionChoice(StrEnum):
    """Which equation, or whichever suits the adapter and its base."""

    auto = "auto"
    stored = "stored"
    consistent = "consistent"


class DtypeName(StrEnum):
    """Precision of the computation."""

    float64 = "float64"
    float32 = "float32"


AdapterFolder = Annotated[
    Path,
    typer.Argument(
        metavar="ADAPTER",
        show_default=False,
        help="An adapter: its folder (adapter_config.json with adapter_model.safetensors or .bin), its "
        "file, or a hub id, owner/name or owner/name@revision.",
    ),
]
OutFolder = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="DIR", show_default=False, help="Folder to write to."),
]
One = Annotated[
    Path,
    typer.Argument(metavar="ONE", show_default=False, help="An adapter: folder, file or hub id."),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="PATH_OR_HUB_ID",
        show_default=False,
        help="Base model: a folder, a file, or a hub id, owner/name or owner/name@revision. By default the one "
        "that the adapter names, if it is on this machine; a hub id given here is downloaded when it is "
        "not.",
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="OLD=NEW",
        show_default="no other name",
        help="A regular expression in the adapter's module paths, and what the base calls it: "
        "'^backbone\\.=model.'; may be repeated. For bases whose names no rule knows.",
    ),
]


def read_w0(what_for: str) -> Any:
    """``--w0``, and what W0 is read for."""
    shown = "if the base model is on this machine"
    return typer.Option("--w0/--no-w0", show_default=shown, help=f"Read W0 too, for {what_for}.")


Module = Annotated[
    str,
    typer.Option("--module", "-m", help="Target module: value, query, q_proj, output.dense, …"),
]
Rank = Annotated[
    int | None,
    typer.Option("--rank", "-r", show_default="the adapter's smallest", help="i and j at once."),
]
I = Annotated[
    int | None,
    typer.Option(
        "--i", show_default="--rank", help="Leading singular vectors of the first matrix."
    ),
]
J = Annotated[
    int | None,
    typer.Option("--j", show_default="--rank", help="Leading singular vectors of the second."),
]
ConversionConvention = Annotated[
    ConventionChoice,
    typer.Option(
        "--convention",
        help="stored: solve with W0 as stored for both factors (the authors' code; square W0). "
        "consistent: each factor in its own space, by the pseudo-inverse (any W0). auto: a CondLoRA "
        "adapter's own; else stored where W0 is square, else consistent.",
    ),
]
Ridge = Annotated[
    float,
    typer.Option(
        "--ridge",
        min=0,
        help="Convert by (W0ᵀW0 + λ²I)⁻¹W0ᵀ, λ in units of each W0's median singular value, the nulls too. "
        "0: by W0⁻¹, the paper's, which magnifies W0's weak directions until they hide the others.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of those draws.")]
Device = Annotated[
    str, typer.Option("--device", help="auto (CUDA's GPU if there is one), cpu, cuda:0.")
]
Dtype = Annotated[
    DtypeName,
    typer.Option("--dtype", help="Precision to compute in; float32 is faster on many GPUs."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        show_default="half of what is free",
        help="How much memory may be taken, beside Python and libraries: 4GB, 500MB. W0 passes through it a few layers "
        "at a time; what does not fit waits in temporary files. One W0 at a time is the least. Numbers depend on it by rounding at most.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say below the numbers what their words mean.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit 3, after all is printed, if any tensor is left out."),
]
Out = Annotated[
    Output | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        show_default=False,
        parser=lambda folder: Output(Path(folder)),
        help="Also write figures (PNG, SVG, PDF), CSV, JSON, Markdown and LaTeX to this folder. What the "
        "same command wrote there of the same module is replaced, and removed where there is none of it now.",
    ),
]
PushToHub = Annotated[
    str | None,
    typer.Option(
        "--push-to-hub",
        metavar="REPO_ID",
        show_default=False,
        help="Upload what is written to this repository of the Hugging Face hub afterwards; it needs a token of the hub.",
    ),
]
Private = Annotated[
    bool,
    typer.Option(
        "--private",
        help="Make that repository a private one; one that is there and public is refused.",
    ),
]
Width = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="LENGTH",
        show_default=False,
        help="How wide the figures of --out are on the page: 3.25in, 8.3cm, 83mm, or 235pt of TeX. Panels "
        "are arranged for it, and no letter but an index has less than 6 points. By default all panels in a row.",
    ),
]
Style = Annotated[
    str | None,
    typer.Option(
        "--style",
        metavar="NAME_OR_FILE",
        show_default=False,
        help="A matplotlib style sheet for the figures of --out; several with commas between them.",
    ),
]
