"""Rows of places as Parquet: one wide, tidy table, in which a row leaves empty what its question has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import MissingExtraError, OutputError
from .freed import give_back

_BUFFERED = 1 << 16  # rows of a row group
_FOUND_BY = ["question", "matrix", "one", "other"]  # what a reader passes over row groups by
# float32 where there is one number or more a pair: of φ it keeps seven digits.
_TYPES: Mapping[str, str] = {
    "module": "word", "layer": "int32", "question": "word", "matrix": "word",
    "one": "int32", "other": "int32", "i": "int32", "j": "int32",
    "phi": "float", "cosine": "float", "cosine_sd": "float",
    "gaussian_mean": "float", "gaussian_sd": "float",
    "start_mean": "float", "start_sd": "float",
    "mean_adapter_mean": "float", "mean_adapter_sd": "float",
    "propagated_mean": "float", "propagated_sd": "float",
    "quantity": "string", "side": "string", "k": "int32", "value": "double", "fitted": "double",
    "expected": "double", "sd": "double", "deal_sd": "double", "z": "double", "p": "double", "reason": "string",
}  # fmt: skip
COLUMNS = tuple(_TYPES)
_WORDS = [name for name, kind in _TYPES.items() if kind in ("word", "string")]
REPEATED = [*_WORDS, "layer", "gaussian_mean", "gaussian_sd", "propagated_mean", "propagated_sd"]

Columns = Mapping[str, Any]


def parquet() -> Any:
    """pyarrow's Parquet.

    Raises:
        MissingExtraError: It is not installed, or not one for this NumPy.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f'a survey writes Parquet: pip install "lora-lens[survey]" ({error})'
        ) from None
    return pyarrow.parquet


@cache
def _schema() -> Any:
    import pyarrow as pa

    kinds = {
        "word": pa.dictionary(pa.int32(), pa.string()),
        "string": pa.string(),
        "int32": pa.int32(),
        "float": pa.float32(),
        "double": pa.float64(),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in _TYPES.items()])


class PlaceTable:
    """The file of one place. Rows of one question and matrix lie together, so that whoever asks for them reads no other."""

    def __init__(self, path: Path, place: Columns, told: Mapping[str, str]) -> None:
        self._path = path
        self._place = place
        schema = _schema().with_metadata({f"lora_lens.{key}": text for key, text in told.items()})
        self._writer = parquet().ParquetWriter(
            path, schema, compression="none", use_dictionary=REPEATED, write_statistics=_FOUND_BY
        )
        self._held: dict[tuple[str, str], list[tuple[int, Columns]]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, question: str, columns: Columns) -> None:
        """Rows of a question: columns of equal length, or one value for all of them."""
        lengths = {len(one) for one in columns.values() if not _single(one)}
        if len(lengths) > 1:
            raise ValueError(f"columns of {question} have lengths {sorted(lengths)}")
        if unknown := columns.keys() - _TYPES.keys():
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        count = lengths.pop() if lengths else 1
        if not count:
            return
        key = (question, str(columns.get("matrix", "")))
        self._held.setdefault(key, []).append((count, columns))
        self._counts[key] = self._counts.get(key, 0) + count
        if self._counts[key] >= _BUFFERED:
            self._flush(key)

    def _flush(self, key: tuple[str, str]) -> None:
        import pyarrow as pa

        parts, count = self._held.pop(key), self._counts.pop(key)
        same = {**self._place, "question": key[0], "matrix": key[1] or None}
        schema = _schema()
        arrays = [
            _filled(same.get(field.name), field.type, count)
            if field.name in same
            else _column(field.name, field.type, parts, count)
            for field in schema
        ]
        rows = pa.Table.from_arrays(arrays, schema=schema)
        self._writer.write_table(rows, row_group_size=count)

    def __enter__(self) -> PlaceTable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for key in sorted(self._held):
                    self._flush(key)
        finally:
            self._writer.close()
            give_back()


def _single(values: Any) -> bool:
    return values is None or isinstance(values, (str, int, float))


def _filled(value: Any, kind: Any, count: int) -> Any:
    import pyarrow as pa

    if value is None:
        return pa.nulls(count, kind)
    if pa.types.is_dictionary(kind):  # one word, which nobody looks up row by row
        return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([value]))
    return pa.repeat(pa.scalar(value, kind), count)


def _column(name: str, kind: Any, parts: Sequence[tuple[int, Columns]], count: int) -> Any:
    """A column of all parts, empty where one has it not; what is not a number is empty too."""
    import pyarrow as pa

    given = [(length, columns.get(name)) for length, columns in parts]
    if all(values is None for _, values in given):
        return pa.nulls(count, kind)
    arrays = []
    for length, values in given:
        if _single(values):
            arrays.append(_filled(values, kind, length))
        elif isinstance(values, np.ndarray) and values.dtype.kind == "f":
            holes = np.isnan(values)
            arrays.append(pa.array(values, kind, mask=holes if holes.any() else None))
        else:
            arrays.append(pa.array(values, kind))
    return pa.concat_arrays(arrays)


def read_rows(
    path: Path, question: str, columns: Sequence[str], *, matrix: str | None = None, **bounds: range
) -> Any:
    """A place's rows of one question, as a pyarrow table; row groups of others are passed over.

    Args:
        path: Of the file.
        question: Whose rows.
        columns: Which columns.
        matrix: Only of this one.
        bounds: Column to the range that its numbers are to be in: ``one``, ``other``.

    Raises:
        OutputError: It is no whole Parquet file, or is gone.
    """
    wanted = [*columns, *(name for name in bounds if name not in columns)]
    try:
        with parquet().ParquetFile(path) as file:
            groups = [
                k
                for k in range(file.metadata.num_row_groups)
                if _may_hold(file.metadata.row_group(k), question, matrix, bounds)
            ]
            found = file.read_row_groups(groups, columns=wanted, use_threads=False)
    except (OSError, ValueError) as error:
        raise _broken(path, error) from None
    if bounds and len(found):
        inside = np.ones(len(found), bool)
        for name, bound in bounds.items():
            numbers = found[name].to_numpy()
            inside &= (numbers >= bound.start) & (numbers < bound.stop)
        if not inside.all():
            found = found.filter(inside)  # once: each time all columns are copied
    return found.select(list(columns))


def _may_hold(group: Any, question: str, matrix: str | None, bounds: Mapping[str, range]) -> bool:
    """Whether rows of a group can be wanted: all of them are of one question and matrix."""
    positions = {name: k for k, name in enumerate(_TYPES)}

    def limits(name: str) -> tuple[Any, Any]:
        found = group.column(positions[name]).statistics
        return (found.min, found.max) if found is not None and found.has_min_max else (None, None)

    if limits("question")[0] != question or (matrix and limits("matrix")[0] != matrix):
        return False
    for name, bound in bounds.items():
        least, most = limits(name)
        if least is not None and (most < bound.start or least >= bound.stop):
            return False
    return True


def told_by(path: Path) -> dict[str, str]:
    """What a place's file says of itself.

    Raises:
        OutputError: It is no whole Parquet file.
    """
    try:
        metadata = parquet().read_schema(path).metadata or {}
    except (OSError, ValueError) as error:
        raise _broken(path, error) from None
    return {
        key.decode().removeprefix("lora_lens."): text.decode()
        for key, text in metadata.items()
        if key.startswith(b"lora_lens.")
    }


def _broken(path: Path, error: Exception) -> OutputError:
    if isinstance(error, FileNotFoundError):
        return OutputError(
            f"{path} is no more there: removed meanwhile, as by another survey in this folder; run this one again when that has ended, "
            f"or in another folder"
        )
    return OutputError(
        f"{path} is no whole Parquet file ({error}); remove it and run the survey again"
    )
