"""Rows of places as Parquet: one wide, tidy table, in which a row leaves empty what its question has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import MissingExtraError, OutputError

_BUFFERED = 1 << 18  # rows of a row group
# float32 where there is one number or more a pair: of φ it keeps seven digits.
_TYPES: Mapping[str, str] = {
    "module": "string", "layer": "int32", "question": "string", "matrix": "string",
    "one": "int32", "other": "int32", "i": "int32", "j": "int32",
    "phi": "float", "cosine": "float",
    "gaussian_mean": "float", "gaussian_sd": "float",
    "start_mean": "float", "start_sd": "float",
    "mean_adapter_mean": "float", "mean_adapter_sd": "float",
    "propagated_mean": "float", "propagated_sd": "float",
    "rank": "int32", "rank_a": "int32", "rank_b": "int32", "rank_delta": "int32",
    "frobenius_norm": "double", "spectral_norm": "double", "stable_rank": "double",
    "effective_rank": "double", "norm_a": "double", "norm_b": "double",
    "side": "string", "directions": "string", "k": "int32",
    "fitted": "double", "left_out": "double", "chance": "double", "chance_sd": "double",
    "quantity": "string", "value": "double", "expected": "double", "sd": "double",
    "z": "double", "p": "double", "reason": "string",
}  # fmt: skip
_WORDS = [name for name, kind in _TYPES.items() if kind == "string"]
_REPEATED = [*_WORDS, "layer", "gaussian_mean", "gaussian_sd", "propagated_mean", "propagated_sd"]

Columns = Mapping[str, Any]


def parquet() -> Any:
    """pyarrow's Parquet.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            'a survey writes Parquet; pip install "lora-lens[survey]"'
        ) from None
    return pyarrow.parquet


@cache
def _schema() -> Any:
    import pyarrow as pa

    kinds = {"string": pa.string(), "int32": pa.int32(), "float": pa.float32(), "double": pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in _TYPES.items()])


def _array(values: Any, kind: Any, count: int) -> Any:
    """One column: an array, a list of words, one word or number for all rows, or nothing."""
    import pyarrow as pa

    if values is None:
        return pa.nulls(count, kind)
    if isinstance(values, (str, int, float)):
        return pa.repeat(pa.scalar(values, kind), count)
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "f":
            return pa.array(values, kind, mask=np.isnan(values))
        return pa.array(values).cast(kind)
    return pa.array(list(values), kind)


class PlaceTable:
    """The file of one place, written row group by row group."""

    def __init__(self, path: Path, place: Columns, told: Mapping[str, str]) -> None:
        self._path = path
        self._place = place
        schema = _schema().with_metadata({f"lora_lens.{key}": text for key, text in told.items()})
        self._writer = parquet().ParquetWriter(
            path, schema, compression="none", use_dictionary=_REPEATED, write_statistics=["one", "other"]
        )  # fmt: skip
        self._held: list[Any] = []
        self._count = 0

    def add(self, question: str, columns: Columns) -> None:
        """Rows of a question: columns of equal length, or one value for all of them."""
        import pyarrow as pa

        lengths = {len(one) for one in columns.values() if not _single(one)}
        if len(lengths) > 1:
            raise ValueError(f"columns of {question} have lengths {sorted(lengths)}")
        count = lengths.pop() if lengths else 1
        if not count:
            return
        given = {**self._place, "question": question, **columns}
        if unknown := given.keys() - _TYPES.keys():
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        schema = _schema()
        arrays = [_array(given.get(field.name), field.type, count) for field in schema]
        self._held.append(pa.Table.from_arrays(arrays, schema=schema))
        self._count += count
        if self._count >= _BUFFERED:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held:
            rows = pa.concat_tables(self._held)
            self._writer.write_table(rows, row_group_size=len(rows))
        self._held, self._count = [], 0

    def __enter__(self) -> PlaceTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()


def _single(values: Any) -> bool:
    return values is None or isinstance(values, (str, int, float))


def read_rows(path: Path, question: str, columns: Sequence[str], **bounds: range) -> Any:
    """A place's rows of one question, as a pyarrow table.

    Args:
        path: Of the file.
        question: Whose rows.
        columns: Which columns.
        bounds: Column to the range that its numbers are to be in.

    Raises:
        OutputError: It is no whole Parquet file.
    """
    filters: list[tuple[str, str, Any]] = [("question", "=", question)]
    for name, wanted in bounds.items():
        filters += [(name, ">=", wanted.start), (name, "<", wanted.stop)]
    try:
        return parquet().read_table(path, columns=list(columns), filters=filters, use_threads=False)
    except (OSError, ValueError) as error:
        raise _broken(path, error) from None


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
    return OutputError(f"{path} is no whole Parquet file ({error}); remove it and run the survey again")
