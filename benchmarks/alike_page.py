"""docs/alike.md from the records beside it: python benchmarks/alike_page.py.

The records are what `alike.py --out docs/alike/NAME.json` and `alike_outliers.py --out docs/alike/outliers-NAME.json` left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
BASES = ("minilm", "mpnet")
# The same module of both: how it is called here, and by its base.
MODULES = {
    "query": ("query", "q"),
    "key": ("key", "k"),
    "value": ("value", "v"),
    "output": ("attention.output.dense", "o"),
}
STATES = ("named columns", "all columns")
WORDS = {"word": "token embeddings", "position": "position embeddings"}
RESIDUAL = (("value", "inputs"), ("output", "outputs"), ("query", "inputs"), ("key", "inputs"))
Records = Sequence[dict[str, Any]]


def page(places: Records, asked: Records) -> str:
    """docs/alike.md, all of it, from both records of every base."""
    parts = (
        _introduction(places),
        _found(places),
        _where(places),
        _command(asked),
        _bases(places),
        _directions(places),
        _depth(places),
        _left(places),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def of(record: dict[str, Any], module: str, side: str) -> dict[str, Any]:
    """One place of one base."""
    (found,) = (
        one
        for name in MODULES[module]
        if (one := record["places"].get(f"{name}, {side}")) is not None
    )
    result: dict[str, Any] = found
    return result


def residual(
    places: Records, sides: Sequence[tuple[str, str]] = RESIDUAL
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of every base, and each module on its side of the residual stream: names of both, and the place."""
    for record in places:
        for module, side in sides:
            yield record["base"], module, of(record, module, side)


def percent(share: float) -> str:
    """Of the whole excess."""
    return f"{100 * share:.0f} %"


def gone(place: dict[str, Any], left: float) -> float:
    """Share of a place's excess that is gone where so much is left."""
    return 1 - left / float(place["excess"])


def _introduction(places: Records) -> Iterator[str]:
    names = " and ".join(record["base"] for record in places)
    yield "# Why untrained layers look alike\n"
    yield (
        f"Gaussian factors that go through W0⁻¹ come out more alike from layer to layer than unrelated subspaces, most in value's deep layers. `lora-lens outliers` "
        f"names columns of W0 that are nearly empty in every layer, and two thirds of value's excess hang on these. This page is about the rest: on "
        f"which modules and sides of W0 it is, what else it hangs on, and what was tried and gave nothing; on {names}.\n"
    )
    draws, tokens = places[0]["draws"], places[0]["tokens"]
    yield (
        "    python benchmarks/alike.py BASE --data glue/ --out docs/alike/NAME.json\n"
        "    python benchmarks/alike_outliers.py BASE --adapters NAME=FOLDER … --out docs/alike/outliers-NAME.json\n"
        "    python benchmarks/alike_page.py\n"
    )
    yield (
        f"The excess is mean φ between different layers less r/d, r = 8, every one of {draws} draws of a layer with every draw of another. What hangs on a direction u is what "
        f"goes when W0 is scaled along u to the median norm of its columns: the same sensitivity as for columns, and no more a correction (the model with "
        f"such a W0 is another one). Two controls are asked likewise: as many random directions, and *flips*, the same directions turned by random signs on each "
        f"W0's own right singular directions, which are exactly as small in W0 but are nothing that layers have in common. Hidden states are those of {tokens:,} tokens of STS-B's development set. All shares are of the whole excess of that module.\n"
    )


def _found(places: Records) -> Iterator[str]:
    value, output = (
        [of(record, module, side) for record in places]
        for module, side in (("value", "inputs"), ("output", "outputs"))
    )
    mean_of = "what the LayerNorm after empties"

    def both(ones: Sequence[dict[str, Any]], left: Any) -> str:
        return " and ".join(percent(gone(one, left(one))) for one in ones)

    def then(one: dict[str, Any]) -> float:
        return float(one["all columns"]["bases"]["word"])

    yield "## What is found\n"
    yield (
        f"- **It is the residual stream's.** Only the side of W0 that reads or writes the residual stream has an excess: inputs of query, key and value, outputs of the output projection. The heads' "
        f"side has none, nor do query and key have much. The output projection's is as large as value's, and no coordinate of it stands apart.\n"
        f"- **Value**: the named columns hold {both(value, lambda one: one['named columns']['excess'])} of the excess ({' and '.join(record['base'] for record in places)}), all columns at the median norm {both(value, lambda one: one['all columns']['excess'])}; and with "
        f"W0 at the median norm along every principal direction of the token embeddings too, {both(value, then)}. A random basis in their place does nothing.\n"
        f"- **Output**: {both(output, lambda one: one['all columns']['excess'])} by all its rows, {both(output, then)} with the token embeddings' directions. One direction alone, the vector of ones, holds "
        f"{both(output, lambda one: one['named columns']['directions'][mean_of]['excess'])}, where its flips hold "
        f"{both(output, lambda one: one['named columns']['directions'][mean_of]['flips'])}: the LayerNorm after it takes the mean away, so that nothing that "
        f"is written along it reaches the function, its gradient there is exactly 0, and weight decay alone acts on it.\n"
        f"- So the third is no new thing but the same one in other axes: W0 of all layers is small along the same directions of the residual stream, some of which are coordinates and "
        f"many more are not. It is spread over a hundred directions and more, not over a few.\n"
    )


def _where(places: Records) -> Iterator[str]:
    yield "## On which side of which module\n"
    yield "| base | module, side | r/d | excess | of the deep half | columns that stand apart | after those | after all columns | on their axes, on other axes, on none |"
    yield "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
    for record in places:
        for module in MODULES:
            for side in ("inputs", "outputs"):
                one = of(record, module, side)
                named = ", ".join(map(str, one["named"])) or "none"
                more = ["–"] * 3
                if "partition" in one:
                    parts = (percent(part / one["excess"]) for part in one["partition"].values())
                    more = [f"{one[state]['excess']:.4f}" for state in STATES] + [", ".join(parts)]
                yield (
                    f"| {record['base']} | {module}, {side} | {one['gaussian']:.4f} | {one['excess']:+.4f} | {one['deep']:+.4f} | "
                    f"{named} | {' | '.join(more)} |"
                )
    yield ""
    yield (
        "The last column divides the excess exactly, with no W0 changed: mean φ is tr(P̄_l P̄_m)/r with P̄ a layer's mean projector, and its part on the diagonals is what "
        "coordinates hold. Heads were asked apart: with the rows of each head made orthonormal "
        + "; ".join(
            f"{base}'s {module} keeps {percent(one['heads']['heads'] / one['excess'])} of its excess, as with random groups of rows "
            f"({percent(one['heads']['random groups'] / one['excess'])}), where the named columns alone leave {percent(one['named columns']['excess'] / one['excess'])}"
            for base, module, one in residual(places, RESIDUAL[:2])
        )
        + ". What a head is makes no layers alike.\n"
    )


def _command(asked: Records) -> Iterator[str]:
    yield "## What `outliers` says of each\n"
    yield (
        f"{asked[0]['draws']} draws, rank 8; inputs by B's conversions, outputs by A's under the convention `consistent`. z and p of a trained adapter's mean φ beside the same W0's random factors describe.\n"
    )
    yield "| base | factors | module, side | random factors | unrelated | coordinates | hangs on them | mean φ of the adapter | p | with those at the median |"
    yield "| --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
    called = {name: module for module, names in MODULES.items() for name in names}
    for record in asked:
        for one in record["rows"]:
            named = ", ".join(map(str, one["coordinates"])) or "none"
            share = percent(one["explained"]) if one["coordinates"] else "–"
            own = ["–"] * 3
            if one["observed"] is not None:
                own = [f"{one['observed']:.4f}", f"{one['p']:.2f}", f"{one['observed after']:.4f}"]
            yield (
                f"| {record['base']} | {one['adapter'] or 'untrained'} | {called[one['module']]}, {one['side']} | {one['mean']:.4f} ± {one['sd']:.4f} | "
                f"{one['gaussian']:.4f} | {named} | {share} | {' | '.join(own)} |"
            )
    yield ""


def _bases(places: Records) -> Iterator[str]:
    yield "## In whole bases: what is left\n"
    yield (
        "W0 at the median norm along every vector of an orthonormal basis, as the coordinates are one: after the columns, along the principal directions of the token embeddings, of the position "
        "embeddings, of the layer's hidden states, each alone and one after the other; and as many random bases, one after the other. Shares of the excess that are left; the last column is between even layers and between odd layers alone, in the basis that conversions of the other half have most in common.\n"
    )
    yield "| base | module | columns | left | tokens | positions | hidden states | one after the other | random bases | the other half's |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for base, module, one in residual(places):
        for state in STATES:
            found = one[state]
            each = (
                percent(found["bases"][name] / one["excess"])
                for name in ("word", "position", "hidden states")
            )
            *_, (_, together, random) = found["one after the other"]
            halves = found["halves"]
            yield (
                f"| {base} | {module} | {'all' if state == STATES[1] else 'named'} | {percent(found['excess'] / one['excess'])} | {' | '.join(each)} | "
                f"{percent(together / one['excess'])} | {percent(random / one['excess'])} | {percent(halves['whole'] / one['excess'])} of {percent(halves['before'] / one['excess'])} |"
            )
    yield ""


def _directions(places: Records) -> Iterator[str]:
    yield "## Direction by direction\n"
    yield (
        "Less the named coordinates, after these are at the median norm: the share of the excess that hangs on them (of their flips), and how large W0 is along them beside its median column. "
        "Random directions of the same number hold "
        + "; ".join(f"{count}: {_of_random(places, count)}" for count in ("1", "8", "64"))
        + ".\n"
    )
    for module, side in RESIDUAL:
        yield (
            f"| {module}, {side} | number | "
            + " | ".join(f"{record['base']} (flips) | norm" for record in places)
            + " |"
        )
        yield "| --- | ---: |" + " ---: | ---: |" * len(places)
        for name, first in of(places[0], module, side)["named columns"]["directions"].items():
            cells = []
            for record in places:
                one = of(record, module, side)
                found = one["named columns"]
                held = found["directions"][name]
                share, flips = (
                    (found["excess"] - held[key]) / one["excess"] for key in ("excess", "flips")
                )
                cells.append(f"{percent(share)} ({percent(flips)}) | {held['norm']:.2f}")
            yield f"| {name} | {first['directions']} | {' | '.join(cells)} |"
        yield ""


def _of_random(places: Records, count: str) -> str:
    shares = [
        (one["named columns"]["excess"] - one["named columns"]["random"][count]) / one["excess"]
        for _, _, one in residual(places)
    ]
    return f"{percent(min(shares))} to {percent(max(shares))}"


def _depth(places: Records) -> Iterator[str]:
    yield "## Over how many directions\n"
    yield (
        "The k directions that conversions of the even layers have most in common, asked of pairs of odd layers, and the reverse: the share of the excess that hangs on them (of their flips), after the named columns. No "
        "few directions do it. And each layer's own k smallest singular directions at the median norm: the share that is left.\n"
    )
    ks = of(places[0], *RESIDUAL[0])["named columns"]["halves"]["k"]
    smallest = list(of(places[0], *RESIDUAL[0])["named columns"]["smallest"])
    yield (
        "| base | module | "
        + " | ".join(f"k = {k}" for k in ks)
        + " | "
        + " | ".join(f"smallest {k}" for k in smallest)
        + " |"
    )
    yield "| --- | --- |" + " ---: |" * (len(ks) + len(smallest))
    for base, module, one in residual(places):
        found = one["named columns"]
        halves = found["halves"]
        cells = [
            f"{percent((halves['before'] - share) / one['excess'])} ({percent((halves['before'] - flips) / one['excess'])})"
            for share, flips in zip(halves["excess"], halves["flips"], strict=True)
        ]
        cells += [percent(found["smallest"][k] / one["excess"]) for k in smallest]
        yield f"| {base} | {module} | {' | '.join(cells)} |"
    yield ""


def _left(places: Records) -> Iterator[str]:
    yield "## What gave nothing, and what is not explained\n"
    yield "LEFT\n"


def main() -> None:
    """Write it."""
    places, asked = (
        [
            json.loads((DOCS / "alike" / f"{kind}{name}.json").read_text(encoding="utf-8"))
            for name in BASES
        ]
        for kind in ("", "outliers-")
    )
    (DOCS / "alike.md").write_text(page(places, asked), encoding="utf-8")


if __name__ == "__main__":
    main()
