"""In how many of 100 cases an excess that is stated as found in 80 is found: python benchmarks/heavy_tails.py.

`shared` and `magnitude` take the smallest detectable effect from the null's own draws (`detectable_excess`). Here the null is a known law:
draws of it give that excess, and it is added to a further one. Tested by the same draws, as one command does, and by other ones, as with
another seed or in another case of the same kind.

A heavy tail is told badly by few draws: where theirs ends early the excess comes out too small, and others find it less often.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import page_table

from lora_lens.chance.detectable import detectable_excess
from lora_lens.chance.p_values import two_sided_p
from lora_lens.labelled import Array

Law = Callable[[np.random.Generator, tuple[int, ...]], Array]
LAWS: dict[str, Law] = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "Laplace": lambda random, shape: random.laplace(size=shape),
    "Student's t, 5 degrees of freedom": lambda random, shape: random.standard_t(5, shape),
    "Student's t, 3 degrees of freedom": lambda random, shape: random.standard_t(3, shape),
    "exponential": lambda random, shape: random.exponential(size=shape),
    "lognormal, σ = 1": lambda random, shape: random.lognormal(size=shape),
}
CASES = ((200, 0.05), (1000, 0.05), (200, 0.0125))  # draws, and the level of one test


def main() -> None:
    """Draw, add, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=10_000)
    print("\n".join(table(parser.parse_args().sets)))


def table(sets: int) -> list[str]:
    """The lines of docs/theory.md."""
    head = ["null", "same draws"]
    head += [f"others, {draws} draws, α′ = {level:g}" for draws, level in CASES]
    rows = []
    for name, law in LAWS.items():
        found = [found_in(law, *case, sets=sets) for case in CASES]
        shown = [found[0][0], *(others for _, others in found)]
        rows.append([name, *(f"{share:.2f}" for share in shown)])
    return [*page_table.table(head, rows)]


def found_in(law: Law, draws: int, level: float, *, sets: int) -> tuple[float, float]:
    """The shares of cases in which the excess that some draws give is found by these, and by as many others."""
    random = np.random.default_rng(0)
    drawn, others = law(random, (draws, sets)), law(random, (draws, sets))
    excess = np.array([detectable_excess(one, level) for one in drawn.T], dtype=np.float64)
    case = law(random, (sets,)) + excess
    same, other = (float((two_sided_p(case, by) <= level + 1e-12).mean()) for by in (drawn, others))
    return same, other


if __name__ == "__main__":
    main()
