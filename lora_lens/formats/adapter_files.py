"""An adapter's files, opened: what a format looks at, and reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapter import Origin
from ..arrays import Stored, Tensor
from ..bases.weights import BaseWeights
from ..errors import AdapterError, LensError
from ..files.adapter_places import CONFIG, ENDINGS, Place, find_adapter
from ..files.in_memory import nowhere
from ..files.locate import read_json
from ..files.names import PEFT_PREFIX
from ..files.revisions import split_revision
from ..files.tensors import FindFile, TensorStore, open_file, open_tensors
from ..printable import printable
from ..updates import Factor

_MOST_NAMED = 6


@dataclass(frozen=True)
class Live:
    """Updates of a model in memory that its own layers make, and no two factors.

    Attributes:
        deltas: Path to what makes ΔW, (out, in), in float64.
        trained: How many numbers are trained for all.
    """

    deltas: Mapping[str, Callable[[], Tensor]]
    trained: int


@dataclass(frozen=True)
class AdapterFiles:
    """An adapter's configuration and its tensors by name, of which none is read yet.

    Attributes:
        source: What results and messages call it.
        config: The whole ``adapter_config.json``; empty where there is none.
        config_file: Its path, or None.
        tensors: The tensors.
        base_given: The base that the caller named.
        live: W0, where the adapter is on a model in memory.
        scales: Of such an adapter, path to the s that its layer has; None where that is not s.
        find: Its files, by name, and others beside them.
        made: Of a model in memory by one of PEFT's other methods, its updates.
    """

    source: str
    config: Mapping[str, Any]
    config_file: Path | None
    tensors: TensorStore
    base_given: str | None = None
    live: BaseWeights | None = None
    scales: Mapping[str, float | None] = field(default_factory=dict)
    find: FindFile = nowhere
    made: Live | None = None

    @property
    def names(self) -> Set[str]:
        """Of the tensors."""
        return self.tensors.files.keys()

    @property
    def base_model(self) -> str | None:
        """The base that the caller named, or else the one that the configuration names; no revision."""
        return self._base_and_revision[0]

    @property
    def revision(self) -> str | None:
        """Of `base_model`: the caller's, or else the configuration's if it is of the same base."""
        return self._base_and_revision[1]

    @property
    def _base_and_revision(self) -> tuple[str | None, str | None]:
        own, own_revision = None, self.text("revision")
        if own_revision == "main":  # what is read without being asked for
            own_revision = None
        if named := self.text("base_model_name_or_path"):
            own, typed = split_revision(named)
            own_revision = typed or own_revision
        if self.base_given is None:
            return own, own_revision
        given, revision = split_revision(self.base_given)
        return given, revision or (own_revision if given == own else None)

    @property
    def origin(self) -> Origin:
        """What the files say of the model that the adapter was trained on."""
        mapping = self.config.get("auto_mapping")
        library = mapping.get("parent_library") if isinstance(mapping, Mapping) else None
        words = (name.removeprefix(PEFT_PREFIX).partition(".")[0] for name in self.names)
        return Origin(
            base=self.text("base_model_name_or_path"),
            library=library if isinstance(library, str) else None,
            words=frozenset(words),
        )

    @property
    def header(self) -> Mapping[str, str]:
        """What the file's own header says, which trainers of image models write their settings into."""
        return {printable(key): printable(text) for key, text in self.tensors.metadata.items()}

    def text(self, key: str) -> str | None:
        """A setting that is a word; None where it is missing, empty or something else."""
        found = self.config.get(key)
        return found if isinstance(found, str) and found else None

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, which is not read for it."""
        return self.tensors.shape(name)

    def number(self, name: str) -> float:
        """The one number of a tensor, of any count of axes.

        Raises:
            AdapterError: It has several, or none that is real.
        """
        if math.prod(self.shape(name)) != 1:
            raise AdapterError(f"{name} has shape {self.shape(name)}, expected one number")
        found = self.tensors.get(name)
        if found.is_complex():
            raise AdapterError(f"{name} holds {_kind(found)}, expected a real number")
        return float(found)

    def factor(self, name: str, *, transposed: bool = False, unfolded: bool = False) -> Factor:
        """A tensor of two axes as a factor.

        Args:
            name: Of the tensor.
            transposed: Whether the file has it the other way round.
            unfolded: Whether it may have more axes, a convolution's, which then follow each other in a
                row: (rank, in, height, width) is read as (rank, in·height·width).

        Raises:
            AdapterError: It has other axes.
        """
        shape, store = self.shape(name), self.tensors
        if unfolded and len(shape) > 2:
            shape = (shape[0], math.prod(shape[1:]))
        if len(shape) != 2:
            raise AdapterError(f"{name} has {len(shape)} axes, expected a matrix")

        def turned(found: Any) -> Any:
            if found is None:
                return None
            found = _computable(found)
            return found.T if transposed else found.reshape(shape) if unfolded else found

        return Factor(
            name,
            shape[::-1] if transposed else shape,
            read=lambda: turned(store.get(name)),
            release=lambda: store.release(name),
            array=lambda: turned(store.array(name)),
            stored=lambda: _stored(store, name, shape, transposed),
        )

    def column(self, name: str) -> Factor:
        """A tensor of numbers in a row, whatever axes of one number are around it, as a column.

        Raises:
            AdapterError: It has several axes.
        """
        shape, store = self.shape(name), self.tensors
        length = math.prod(shape)
        if length not in (*shape, 1):
            raise AdapterError(f"{name} has shape {shape}, expected numbers in a row")

        def turned(found: Any) -> Any:
            return None if found is None else _computable(found).reshape(length, 1)

        return Factor(
            name,
            (length, 1),
            read=lambda: turned(store.get(name)),
            release=lambda: store.release(name),
            array=lambda: turned(store.array(name)),
        )

    def open_base(self, *, download: bool = True) -> BaseWeights:
        """The base model, for a format whose A and B are made of W0.

        Args:
            download: Whether it may be, where the caller named it.

        Raises:
            AdapterError: None is named.
            BaseModelError: It is not found, or of another architecture than the adapter's.
        """
        from ..bases.opening import open_base_for

        if self.live is not None and self.base_given is None:
            return self.live
        if self.base_model is None:
            raise AdapterError(
                f"{self.source} names no base model, and its A and B are made of W0; pass --base"
            )
        return open_base_for(
            self.origin,
            self.base_model,
            revision=self.revision,
            given=self.base_given is not None,
            download=download and self.base_given is not None,
            fan_in_fan_out=bool(self.config.get("fan_in_fan_out")),
        )


def _computable(found: Any) -> Any:
    """Numbers as they are, but for floats of eight bits, of which torch computes with none."""
    return found.float() if _kind(found).startswith("float8") else found


def _kind(found: Any) -> str:
    """The type of a tensor's numbers, by torch's name."""
    return str(found.dtype).removeprefix("torch.")


def _stored(
    store: TensorStore, name: str, shape: tuple[int, ...], transposed: bool
) -> Stored | None:
    found = store.place(name)
    return found and Stored(*found, shape[0], shape[1], transposed)


def open_adapter(path: str | Path, base: str | Path | None = None) -> AdapterFiles:
    """Open the adapter at `path`; see `load_adapter` for what that and `base` can be.

    Raises:
        AdapterError: There is none, or its configuration is broken.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    stems = all_stems()
    place = find_adapter(path, stems)
    config_file = place.find(CONFIG)
    config = read_json(config_file, AdapterError) if config_file else {}
    tensors = _tensors(place, stems)
    if tensors is None:
        raise AdapterError(
            f"{place.source} holds no {' or '.join(f'{stem}.safetensors' for stem in stems)} (nor .bin){_others(config_file)}"
            if config_file
            else f"{place.source} is no adapter: it holds no {CONFIG}"
        )
    return AdapterFiles(
        place.source, config, config_file, tensors, str(base) if base else None, find=place.find
    )


def _others(config_file: Path) -> str:
    """What else of tensors lies beside a configuration, which may be meant: ``adapter_model.fp16.safetensors``."""
    names = sorted(path.name for path in config_file.parent.glob("*.safetensors"))[:_MOST_NAMED]
    return (
        f", but {', '.join(names)}: if that is the adapter's, name the file itself" if names else ""
    )


def stands_alone(file: Path) -> bool:
    """Whether a file of any name is an adapter by itself; one that cannot be opened is for whoever reads it to say."""
    from . import FORMATS

    try:
        files = open_adapter(file)
    except LensError:
        return True
    return any(each.matches(files) for each in FORMATS)


def open_within(files: AdapterFiles, folder: str) -> AdapterFiles | None:
    """Another adapter, in a folder of that name within the folder of this one; None where there is none.

    Raises:
        AdapterError: Its configuration is broken.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """

    def find(name: str) -> Path | None:
        return files.find(f"{folder}/{name}")

    source = f"{folder} of {files.source}"
    tensors = open_tensors(source, find, all_stems())
    if tensors is None:
        return None
    config_file = find(CONFIG)
    config = read_json(config_file, AdapterError) if config_file else {}
    return AdapterFiles(source, config, config_file, tensors, files.base_given, find=find)


def all_stems() -> tuple[str, ...]:
    """What files with an adapter's tensors are called in any of the formats, without their endings."""
    from . import FORMATS

    return tuple(dict.fromkeys(stem for each in FORMATS for stem in each.stems))


def _tensors(place: Place, stems: Sequence[str]) -> TensorStore | None:
    path = place.find(place.file) if place.file else None
    if place.file and path:
        return open_file(place.source, path, place.file, place.find)
    return open_tensors(place.source, place.find, tuple(stems), ENDINGS)
