"""One seed's analysis, as far as the tables read it."""

import numpy as np


def of_mean(mean: float, excess: float, p: float):
    return {"mean": mean, "sd": 0.002, "z": excess / 0.002, "p": p, "excess": excess}


def record(module: str, layers: int = 12, seed: int = 0, profiles=None, excess: float = 0.001):
    """One seed's analysis, as far as the tables read it."""
    rng = np.random.default_rng(seed)
    baseline = {"mean": 8 / 768, "sd": 0.001, "of_mean": {"mean": 8 / 768, "sd": 0.0003}}
    matrices = {
        matrix: {
            "phi": list((profiles or {}).get(matrix, rng.random(layers) / 10)),
            "baseline": baseline,
            "baselines": {"mismatched": {"mean": [0.0113, 0.0133], "of_mean": {"mean": 0.5}}},
        }
        for matrix in ("A", "B", "delta")
    }
    grid = (
        np.full((layers, layers), 0.02) + np.add.outer(np.arange(layers), np.arange(layers)) / 500
    )
    np.fill_diagonal(grid, 1.0)
    similarity = {
        "adapter": f"stsb-lora-{seed}",
        "layers": list(range(layers)),
        "matrices": {
            matrix: {
                "phi": (grid + 0.001).tolist(),
                "mean": 0.043,
                "baselines": {
                    "gaussian": {"mean": 8 / 768, "of_mean": of_mean(8 / 768, 0.001, 0.005)},
                    "propagated": {
                        "mean": (2 * grid).tolist(),
                        "of_mean": of_mean(0.042, excess, 0.04 if excess > 0.01 else 0.4),
                    },
                },
            }
            for matrix in ("A", "B")
        },
    }
    comparison = {"one": "a", "other": "b", "layers": list(range(layers)), "matrices": matrices}
    shared = {"lora": predicted(0.05, layers), "condlora": predicted(1.0, layers)}
    return {module: {"comparison": comparison, "similarity": similarity, "shared": shared}}


def seeds(count: int, each):
    """The same record with so many seeds."""
    return dict.fromkeys(range(count), each)


def predicted(share: float, layers: int):
    flipped = {"mean": 0.02, "sd": 0.002, "p_two_sided": 0.001, "draws": 999}
    one = {
        "share": [share] * layers,
        "mean": share,
        "chance": 8 / 768,
        "nulls": {"flipped": flipped},
        "layers": {"p_holm": [0.01] * layers},
    }
    matrices = {matrix: {"predicted": one, "carried": one} for matrix in ("A", "B")}
    return {"layers": list(range(layers))} | matrices
