"""Names of adapters in a column: each is written once, and rows refer to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Named:
    """The names by number, as `Plan.names` has them: numbers without a name are those of adapters that could not be read.

    No name stands twice, not even an empty one for what has none: pyarrow (26) makes room in the file for all words of a
    dictionary, and writes each once, so that whatever lay in that memory would follow them.

    Example:
        >>> Named({1: "one", 4: "four"}).column([4, 1, 4]).to_pylist()
        ['four', 'one', 'four']
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        import pyarrow as pa

        self._numbers = np.array(sorted(names))
        self._names = pa.array([names[number] for number in sorted(names)])

    def column(self, numbers: Any) -> Any:
        """Of the adapters of these numbers, row by row."""
        import pyarrow as pa

        places = np.searchsorted(self._numbers, numbers).astype(np.int32)
        return pa.DictionaryArray.from_arrays(places, self._names)
