"""docs/alike.md from the records beside it: python benchmarks/alike_page.py.

The records are what `alike.py --out docs/alike/NAME.json` and `alike_outliers.py --out docs/alike/outliers-NAME.json` left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alike_records import (
    DOCS,
    FEW,
    MODULES,
    ONES,
    RESIDUAL,
    STATES,
    Records,
    gone,
    number,
    of,
    percent,
    records,
    residual,
)
from page_table import table


def page(places: Records, asked: Records) -> str:
    """docs/alike.md, all of it, from both records of every base."""
    parts = (
        _introduction(places),
        _found(places),
        _where(places),
        _command(asked),
        _bases(places),
        _directions(places),
        _distance(places),
        _depth(places),
        _left(places),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _introduction(places: Records) -> Iterator[str]:
    names = " and ".join(record["base"] for record in places)
    yield "# Why untrained layers look alike\n"
    yield (
        f"Gaussian factors that go through W0⁻¹ come out more alike from layer to layer than unrelated subspaces, most in value's deep layers. `lora-lens outliers` "
        f"names columns of W0 that are nearly empty in several layers, most of them deep (the named columns below), and two thirds of value's excess hang on these. This page is about the rest: on "
        f"which modules and sides of W0 it is, what else it hangs on, and what was tried and gave nothing; on {names}.\n"
    )
    draws, tokens = places[0]["draws"], places[0]["tokens"]
    yield (
        "    python benchmarks/alike.py BASE --data glue/ --out docs/alike/NAME.json\n"
        "    python benchmarks/alike_outliers.py BASE --adapters NAME=FOLDER … --out docs/alike/outliers-NAME.json\n"
        "    python benchmarks/alike_page.py\n"
    )
    yield (
        f"The excess is mean φ between different layers less r/d, r = 8, every one of {draws} draws of a layer with every draw of another. The deep half is the second half of the layers. The share due to a direction u is how "
        f"much of the excess disappears when W0 is rescaled along u to the median norm of its columns. It measures sensitivity; it does not correct the model (one with "
        f"such a W0 is another). Two controls are asked likewise: as many random directions, and *flips*, the same directions turned by random signs on each "
        f"W0's own right singular directions, which are exactly as small in W0 but are nothing that layers have in common. Hidden states are those of {tokens:,} tokens of STS-B's development set. All shares are of the whole excess of that module.\n"
    )


def _found(places: Records) -> Iterator[str]:
    value, output = (
        [of(record, module, side) for record in places]
        for module, side in (("value", "inputs"), ("output", "outputs"))
    )
    names = " and ".join(record["base"] for record in places)

    def both(ones: Sequence[dict[str, Any]], left: Callable[[dict[str, Any]], float]) -> str:
        return " and ".join(percent(gone(one, left(one))) for one in ones)

    def of_state(state: str) -> Callable[[dict[str, Any]], float]:
        return lambda one: float(one[state]["excess"])

    def alone(state: str, key: str) -> str:
        return " and ".join(
            percent((one[state]["excess"] - one[state]["directions"][ONES][key]) / one["excess"])
            for one in output
        )

    far = [(one["all columns"]["by distance"], one["by distance"]) for one in value]
    yield "## What is found\n"
    yield (
        f"Shares of the excess, of {names} in this order.\n\n"
        "- **It is the residual stream's.** Only the side of W0 that reads or writes the residual stream has an excess: inputs of query, key and value, outputs of the output projection. The heads' "
        "side has none. The output projection's is "
        + " and ".join(
            f"{one['excess'] / other['excess']:.1f}"
            for one, other in zip(output, value, strict=True)
        )
        + " times value's, though no coordinate of it stands apart; query's and key's are small.\n"
        f"- **Output: what the LayerNorm takes away.** With all rows of W0 at the median norm {both(output, of_state('all columns'))} is gone. One direction alone holds {alone('named columns', 'excess')} as W0 is and "
        f"{alone('all columns', 'excess')} after that (its flips {alone('all columns', 'flips')}), so that both together hold {both(output, lambda one: float(one['all columns']['directions'][ONES]['excess']))}: the vector of ones. The LayerNorm after it subtracts the "
        "mean, so that nothing that is written along that vector changes the function. W0 has "
        + " and ".join(f"{one['named columns']['directions'][ONES]['norm']:.2f}" for one in output)
        + " of its median row's norm there.\n"
        f"- **Value: a third of the excess is left after the named columns; about half of that goes when all columns are scaled, and what remains is between layers near each other.** The named columns hold {both(value, of_state('named columns'))}, all columns {both(value, of_state('all columns'))}. What is left then is "
        + " and ".join(
            f"{number(rest[0])} one layer apart, {number(rest[3])} four apart" for rest, _ in far
        )
        + f" (r/d is {value[0]['gaussian']:.4f} and {value[1]['gaussian']:.4f}). The named coordinates are common to layers far apart (as W0 is, MPNet has {number(far[1][1][6])} seven layers apart), these directions drift with depth. In MiniLM half of that rest lies along the principal directions of the token embeddings "
        f"({both(value, lambda one: float(one['all columns']['bases']['word']))} with them), in MPNet along no basis that was tried.\n"
        f"- **That third is spread over many directions.** Between layers of one half, even or odd, the {FEW} directions that the other half's conversions have most in common hold only "
        + " and ".join(
            percent(1 - halves["excess"][-1] / halves["before"])
            for halves in (one["named columns"]["halves"] for one in value)
        )
        + " of it. Random bases in the place of the others do nothing.\n"
    )


def _where(places: Records) -> Iterator[str]:
    yield "## On which side of which module\n"
    rows = []
    for record in places:
        for module in MODULES:
            for side in ("inputs", "outputs"):
                one = of(record, module, side)
                named = ", ".join(map(str, one["named"])) or "none"
                more = ["–"] * 3
                if "partition" in one:
                    parts = (percent(part / one["excess"]) for part in one["partition"].values())
                    more = [f"{one[state]['excess']:.4f}" for state in STATES] + [", ".join(parts)]
                sizes = [f"{one['gaussian']:.4f}", number(one["excess"]), number(one["deep"])]
                rows.append([record["base"], f"{module}, {side}", *sizes, named, *more])
    yield from table(
        ["base", "module, side", "r/d", "excess", "of the deep half", "columns that stand apart",
         "after those", "after all columns", "on their axes, on other axes, on none"],
        rows,
        "llrrrlrrr",
    )  # fmt: skip
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
        f"{asked[0]['draws']} draws, rank 8; inputs by B's conversions, outputs by A's under the convention `consistent`. What a trained adapter's mean φ has beside the same W0's random factors describes, and decides nothing. The adapter on all four modules is of "
        "`lora-lens train --task stsb --data glue/ --out runs/four --target query,key,value,attention.output.dense --lr 0.00117 --epochs 1 --max-length 128 --group-by-length --precision bfloat16` (development Pearson .853) and lies in no repository; no adapter of MPNet's key and output was there.\n"
    )
    called = {name: module for module, names in MODULES.items() for name in names}
    rows = []
    for record in asked:
        for one in record["rows"]:
            named = ", ".join(map(str, one["coordinates"])) or "none"
            share = percent(one["explained"]) if one["coordinates"] else "–"
            own = ["–"] * 3
            if one["observed"] is not None:
                own = [f"{one['observed']:.4f}", f"{one['p']:.2f}", f"{one['observed after']:.4f}"]
            rows.append(
                [record["base"], one["adapter"] or "untrained", f"{called[one['module']]}, {one['side']}",
                 f"{one['mean']:.4f} ± {one['sd']:.4f}", f"{one['gaussian']:.4f}", named, share, *own]
            )  # fmt: skip
    yield from table(
        ["base", "factors", "module, side", "random factors", "unrelated", "coordinates", "hangs on them",
         "mean φ of the adapter", "p", "with those at the median"],
        rows,
        "lllrrlrrrr",
    )  # fmt: skip
    yield ""


def _bases(places: Records) -> Iterator[str]:
    yield "## In whole bases: what is left\n"
    yield (
        "W0 at the median norm along every vector of an orthonormal basis, as the coordinates are one: after the columns, along the principal directions of the token embeddings, of the position "
        "embeddings, of the layer's hidden states, each alone and one after the other; and as many random bases, one after the other. Shares of the excess that are left; the last column is between even layers and between odd layers alone, in the basis that conversions of the other half have most in common.\n"
    )
    rows = []
    for base, module, one in residual(places):
        for state in STATES:
            found = one[state]
            halves = found["halves"]
            *_, (_, together, random) = found["one after the other"]
            left = [
                percent(share / one["excess"])
                for share in (
                    found["excess"],
                    *(found["bases"][name] for name in ("word", "position", "hidden states")),
                    together,
                    random,
                    halves["whole"],
                    halves["before"],
                )
            ]
            columns = "all" if state == STATES[1] else "named"
            rows.append([base, module, columns, *left[:-2], " of ".join(left[-2:])])
    yield from table(
        ["base", "module", "columns", "left", "tokens", "positions", "hidden states", "one after the other",
         "random bases", "the other half's"],
        rows,
        "lllrrrrrrr",
    )  # fmt: skip
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
        rows = []
        for name, first in of(places[0], module, side)["named columns"]["directions"].items():
            cells = []
            for record in places:
                one = of(record, module, side)
                found = one["named columns"]
                held = found["directions"][name]
                share, flips = (
                    (found["excess"] - held[key]) / one["excess"] for key in ("excess", "flips")
                )
                cells += [f"{percent(share)} ({percent(flips)})", f"{held['norm']:.2f}"]
            rows.append([name, first["directions"], *cells])
        heads = [head for record in places for head in (f"{record['base']} (flips)", "norm")]
        yield from table([f"{module}, {side}", "number", *heads], rows)
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
        "The k directions that conversions of the even layers have most in common, asked of pairs of odd layers, and the reverse: the share of the excess that hangs on them (of their flips), after the named columns. Of "
        "the output projection in MPNet the first of them holds nearly what the vector of ones does, in MiniLM a quarter of that; the others' are spread over more than a hundred. And each layer's own k smallest singular directions at the median norm: the share that is left.\n"
    )
    ks = of(places[0], *RESIDUAL[0])["named columns"]["halves"]["k"]
    smallest = list(of(places[0], *RESIDUAL[0])["named columns"]["smallest"])
    rows = []
    for base, module, one in residual(places):
        found = one["named columns"]
        halves = found["halves"]
        cells = [
            f"{percent((halves['before'] - share) / one['excess'])} ({percent((halves['before'] - flips) / one['excess'])})"
            for share, flips in zip(halves["excess"], halves["flips"], strict=True)
        ]
        cells += [percent(found["smallest"][k] / one["excess"]) for k in smallest]
        rows.append([base, module, *cells])
    heads = [*(f"k = {k}" for k in ks), *(f"smallest {k}" for k in smallest)]
    yield from table(["base", "module", *heads], rows, "ll" + "r" * len(heads))
    yield ""


def _distance(places: Records) -> Iterator[str]:
    yield "## How far apart\n"
    yield "Excess between layers that are so many layers apart, as W0 is, with the named columns at the median norm, and with all.\n"
    most = max(len(one["named columns"]["by distance"]) for _, _, one in residual(places))
    rows = []
    for base, module, one in residual(places):
        found = {"as it is": one["by distance"]}
        found |= {state.removesuffix(" columns"): one[state]["by distance"] for state in STATES}
        for state, values in found.items():
            missing = ["–"] * (most - len(values))
            rows.append([base, module, state, *map(number, values), *missing])
    heads = [str(k + 1) for k in range(most)]
    yield from table(["base", "module", "columns", *heads], rows, "lll" + "r" * most)
    yield ""


def _left(places: Records) -> Iterator[str]:
    query, key = (
        " and ".join(f"{of(record, module, 'inputs')['excess']:.4f}" for record in places)
        for module in ("query", "key")
    )
    yield "## What gave nothing, and what is not explained\n"
    yield (
        "- **Heads**: making each head's rows orthonormal does what it does for random groups of rows.\n"
        "- **Biases**: W0⁻¹ of the module's bias lies almost whole among the directions that conversions share, but holds −5 to 8 % where its flips hold 2 to 13: any vector that goes through W0⁻¹ lies there. The output "
        "projection's own bias holds nothing.\n"
        "- **The LayerNorm before**: its gain, its bias, and 1/gain, along which its output does not vary at all. W0 is not small there.\n"
        "- **Means**: of hidden states, of token embeddings.\n"
        "- **Few principal directions** of hidden states, tokens or positions; eight of the position embeddings in MiniLM's value are the exception: W0 is .70 of the median along them.\n"
        "- **The hidden states' smallest directions** before the output projection hold what the vector of ones does, for they contain it nearly.\n"
        "- **Folding the LayerNorm's gain into W0** makes more excess, not less ({doc}`theory`).\n"
        f"- **Not explained**: the local rest of MPNet's value, and the small excess of query ({query}) and key ({key}): it grows when all columns are scaled, falls with the distance between layers, and is in the 32 to 128 smallest singular "
        "directions of each layer, of which neighbours share a little.\n"
        "- **Not asked**: feed-forward layers; bases with a LayerNorm before each part, or of another size.\n"
        "- A control that can err: where u is a singular direction of W0 itself its flips are u again, so that flips may take too much for their own; random directions never do.\n"
    )


def main() -> None:
    """Write it."""
    (DOCS / "alike.md").write_text(page(*records()), encoding="utf-8")


if __name__ == "__main__":
    main()
