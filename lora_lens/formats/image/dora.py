"""DoRA's magnitudes in image adapters: LyCORIS's ``dora_scale``, of rows or of input channels, and PEFT's.

Which axis a ``dora_scale`` is of stands in its shape, as LyCORIS, ComfyUI and OneTrainer read it: (out, 1, …) is a norm
for every row of W0 + s·B·A (``wd_on_output``), (1, in, …) one for every input channel. ai-toolkit's ``magnitude`` is of rows.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ...errors import AdapterError
from ...updates import LowRank
from ..adapter_files import AdapterFiles
from ..factors.dora import with_magnitude


def rescaled(files: AdapterFiles, name: str, update: LowRank) -> LowRank:
    """The update with the magnitude of this name.

    Raises:
        AdapterError: Its shape is neither of the rows nor of the input channels of ΔW.
    """
    shape = files.shape(name)
    rows, columns = update.b.shape[0], update.a.shape[1]
    count = math.prod(shape)
    peft = "lora_magnitude_vector" in name
    by_row = count == rows and (peft or shape[:1] == (rows,))
    channels = len(shape) > 1 and shape[:2] == (1, count) and count > 0 and columns % count == 0
    if not by_row and (peft or not channels):
        raise AdapterError(
            f"{name} has shape {shape}, expected DoRA's norms of the {rows} rows, ({rows}, 1), or of the input "
            f"channels, (1, channels), of a ΔW of {rows}x{columns}"
        )
    return replace(with_magnitude(files, update, name), by_column=not by_row)
