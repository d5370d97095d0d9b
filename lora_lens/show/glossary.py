"""What the words of results, pages and reports mean: one source, which a report and ``docs/words.md`` both show."""

from __future__ import annotations

from ..chance.significance import LEVEL
from .findings import TRACE

WORDS = {
    "φ": (
        "‖U_XᵀU_Y‖_F² / min(i, j), U the leading singular vectors: the mean squared cosine of the principal angles "
        "between two subspaces. 1: one holds the other; 0: orthogonal."
    ),
    "Side": (
        "Left: φ is of column spaces, as in the paper. Right: of row spaces."
    ),
    "Gauge": (
        "(A, B) and (R·A, B·R⁻¹) are one adapter, for ΔW is the same. A number that changes with R is of the file and not "
        "of the adapter; at full rank no φ and no share does."
    ),
    "Conversion matrix": (
        "The X for which W0·X is A (transposed) or B: what one layer's factor looks like with that layer's W0 taken "
        "off (Kim et al. 2024, Eq. 3 and 4)."
    ),
    "Convention": (
        "Which equation makes A's conversion matrix: `stored`, the authors' code, W0·X = Aᵀ; `consistent`, W0ᵀ·X = Aᵀ, "
        "whose left side, like Aᵀ, is of the layer's inputs. B's is W0·X = B in both."
    ),
    "Predicted share": (
        "θ is fitted to all layers but one, so that W0·θ comes as near to their factors' subspaces as one θ can; of the layer "
        "that was left out, the part of its factor's subspace that its own W0·θ holds (W0ᵀ·θ for A). No W0 is "
        "inverted. It is 1 in every layer of a CondLoRA adapter."
    ),
    "Captured share": (
        "The part of each layer's subspace of conversion matrices that the best single θ holds. “Left out”: by a θ fitted to the other "
        "layers only, so the fit cannot flatter it. It describes; the verdict is of the predicted share."
    ),
    "Place on W0": (
        "How much of a factor lies on each singular direction of its own layer's W0, and how much outside all of them."
    ),
    "Flips": (
        "A factor turned by random signs on its own W0's singular directions, which keeps its place on W0 and destroys "
        "what layers (or two adapters) would have to have in common beside it. What is beyond flips is not "
        "explained by the place alone."
    ),
    "Propagated null": (
        "Uniform random factors through the same W0. W0⁻¹ alone makes them somewhat alike, so φ of conversion matrices "
        "stands beside them; unrelated subspaces (gaussian) are too low a bar. Factors along W0's own singular directions "
        "have another φ with nothing shared, so no verdict is made of it."
    ),
    "Mismatched null": "The adapter's own factors, shuffled over the layers' W0.",
    "Initialisation null": "A as PEFT starts it, through W0.",
    "z": "Deviations of the null above its mean.",
    "Excess": (
        "(φ − null)/(1 − null), and of a share the same: 0 at what chance gives, 1 for equal subspaces. The size of the effect."
    ),
    "A trace": (
        f"An excess below {TRACE}, told from chance all the same: there is something, and it is little."
    ),
    "p": (
        "(b + 1)/(n + 1), b of n draws of the null being at least as high, or, where it is called two-sided, at least as far from the middle. In the "
        "tables uncorrected, unless it is called otherwise: “corrected” and “p (BH)”: after Benjamini and Hochberg over all pairs; “p (Holm)”: over layers and tests, "
        "p_holm_layers_and_tests in the JSON and CSV of shared, where p_holm is over the layers of one factor alone; “p (max)”: the chance that "
        "any pair is so many deviations high. The verdicts are made of the two-sided one, corrected by Holm's method over all that one command or one report tests."
    ),
    "More, less, no more": (
        f"More or less than chance: the corrected p is at most {LEVEL}. No more than chance: it is not, which is no proof of "
        "chance. Too few draws to tell: with so few no p can be small enough."
    ),
    "Would be seen": (
        "The excess over the null's mean that the test finds in 80 of 100 cases, at the corrected level. It stands "
        "beside every “no more”: a smaller one may well be there."
    ),
}  # fmt: skip
