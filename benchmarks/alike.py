"""Why conversions of untrained factors are alike, beyond empty columns: python benchmarks/alike.py BASE --data glue/ --out FILE.

Gaussian factors go through W0 of every layer (``W X = G``; for the outputs ``W0ᵀ X = G``), and the mean φ of their
subspaces exceeds r/d. This asks where that excess is: on which side of which module, in which coordinates (an exact
partition), and what else than empty columns it hangs on. Each answer is the same sensitivity as `lora-lens outliers`
has for columns: W is scaled along some directions u to the median norm of its columns, and φ asked again. Beside it
stand two controls: as many random directions, and the same ones turned by random signs on each W's own
singular directions, which are as small in W, but nothing that layers have in common.

Directions come from the base (LayerNorms, biases, embeddings), from its hidden states on sentences of STS-B (--data, GLUE's
folder), and from the other layers' conversions. What is found is kept in --out place by place; `python benchmarks/alike_page.py` writes docs/alike.md from such records.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from alike_places import FAMILIES, Place, place, place_record
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.subspaces.untrained import untrained_factors

SENTENCES, WORDS = 300, 64
BEFORE = ("encoder.layer.{}.output.LayerNorm", "embeddings.LayerNorm")
EMBEDDING, EMBEDDINGS = "embeddings.{}_embeddings.weight", ("word", "position")
FEW, MANY = 8, 64  # principal directions


def main() -> None:
    """Ask, keep, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("--name", help="what the page calls it")
    parser.add_argument("--data", type=Path, required=True, help="GLUE's folder")
    parser.add_argument("--modules", nargs="*", help="some of them")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=Path, help="a file to keep the hidden states' moments in")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    base = ll.open_base(given.base)
    settings = base.configuration.settings
    modules, after = FAMILIES[settings["model_type"]]
    mean, covariance, tokens = moments(given.base, given.data, given.hidden)
    record: dict[str, Any] = {
        "base": given.name or given.base, "draws": given.draws, "tokens": tokens, "places": {},
    }  # fmt: skip
    if given.out.exists():
        record = json.loads(given.out.read_text(encoding="utf-8"))
    for module in given.modules or modules:
        generator = torch.Generator().manual_seed(given.seed)
        factors = untrained_factors(base, module, 1, generator=generator)
        w0 = torch.stack([base.w0(factors, k).double() for k in range(len(factors.layers))])
        for side, w in (("inputs", w0), ("outputs", w0.mT)):
            name = f"{module}, {side}"
            if name in record["places"]:
                continue
            generator.manual_seed(given.seed)
            at = place(w, given.draws, generator)
            norm = after if side == "outputs" else ""
            u = directions(base, factors, at, mean, covariance, norm)
            bases = {name: principal(tensor(base, EMBEDDING.format(name))) for name in EMBEDDINGS}
            bases |= {"hidden states": torch.linalg.eigh(covariance).eigenvectors}
            if (module == modules[-1]) != (side == "outputs"):
                u = bases = {}  # between the heads: no direction of the residual stream is there
            head = w0.shape[1] // settings["num_attention_heads"]
            record["places"][name] = place_record(at, u, bases, covariance, head, given.seed)
            given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(name, json.dumps(record["places"][name]), flush=True)


def moments(base: str, data: Path, kept: Path | None) -> tuple[Tensor, Tensor, int]:
    """Of the hidden states before each layer, over the tokens of some sentences of STS-B: mean, covariance, tokens."""
    if kept and kept.exists():
        found: tuple[Tensor, Tensor, int] = torch.load(kept)
        return found
    from transformers import AutoModel, AutoTokenizer

    rows = (data / "STS-B" / "dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
    said = [text for row in rows for text in row.split("\t")[7:9]]
    said = said[:: max(1, len(said) // SENTENCES)]
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
    states = []
    for start in range(0, len(said), 32):
        batch = tokenizer(
            said[start : start + 32],
            padding=True,
            truncation=True,
            max_length=WORDS,
            return_tensors="pt",
        )
        with torch.no_grad():
            hidden = model(**batch, output_hidden_states=True).hidden_states[:-1]
        states.append(torch.stack(hidden)[:, batch["attention_mask"].bool()].double())
    every = torch.cat(states, dim=1)
    mean = every.mean(1)
    centred = every - mean[:, None]
    found = mean, centred.mT @ centred / every.shape[1], every.shape[1]
    if kept:
        torch.save(found, kept)
    return found


def directions(
    base: ll.BaseWeights,
    factors: ModuleFactors,
    at: Place,
    mean: Tensor,
    covariance: Tensor,
    after: str,
) -> dict[str, Tensor]:
    """By what they are: (layer, d, q) or (d, q). `after` names the LayerNorm that an output goes through."""
    layers = len(factors.layers)
    norms = [
        f"encoder.layer.{layer}.{after}" if after else before(layer) for layer in range(layers)
    ]
    gain, bias = (
        torch.stack([tensor(base, f"{norm}.{part}") for norm in norms])[..., None]
        for part in ("weight", "bias")
    )
    own = torch.stack([tensor(base, f"{name}.bias") for name in factors.names])[..., None]
    tokens, positions = (tensor(base, EMBEDDING.format(name)) for name in EMBEDDINGS)
    _, vectors = torch.linalg.eigh(covariance)
    where = "after" if after else "before"
    return {
        f"what the LayerNorm {where} empties": torch.ones_like(gain) if after else 1 / gain,
        f"gain of the LayerNorm {where}": gain,
        f"bias of the LayerNorm {where}": bias,
        "the module's own bias" if after else "W0⁻¹ of the module's bias": own
        if after
        else torch.linalg.solve(at.w, own),
        "mean hidden state": mean[..., None],
        f"{FEW} largest principal directions of hidden states": vectors[..., -FEW:],
        f"{MANY} largest": vectors[..., -MANY:],
        f"{FEW} smallest": vectors[..., :FEW],
        f"{MANY} smallest": vectors[..., :MANY],
        "mean token embedding": tokens.mean(0)[:, None],
        f"{FEW} principal directions of token embeddings": principal(tokens)[:, -FEW:],
        f"{FEW} principal directions of position embeddings": principal(positions)[:, -FEW:],
        f"{MANY} of position embeddings": principal(positions)[:, -MANY:],
    }


def principal(rows: Tensor) -> Tensor:
    """Principal directions of the rows less their mean, largest last."""
    centred = rows - rows.mean(0)
    return torch.linalg.eigh(centred.mT @ centred).eigenvectors


def before(layer: int) -> str:
    """The LayerNorm whose output a layer reads."""
    return BEFORE[0].format(layer - 1) if layer else BEFORE[1]


def tensor(base: ll.BaseWeights, path: str) -> Tensor:
    """One of the base's, in float64."""
    (name,) = (name for name in base.tensors.files if name.endswith(path))
    return base.tensors.get(name).double()


if __name__ == "__main__":
    main()
