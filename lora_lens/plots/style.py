"""What the figures share: colours, and names in mathematics."""

from __future__ import annotations

# Lightness falls evenly along it: legible in grey and to colour-blind eyes.
COLOURS = "mako_r"
FACTORS = {"A": "$A$", "B": "$B$", "delta": "$\\Delta W$"}
METHODS = {"lora": "LoRA", "condlora": "CondLoRA"}
