"""An adapter's files, opened: what a format looks at, and reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapter import Origin
from ..arrays import Tensor
from ..bases.configuration import BaseConfiguration
from ..bases.weights import BaseWeights
from ..errors import AdapterError
from ..files.in_memory import nowhere
from ..files.local_files import FindFile
from ..files.mapped import Version
from ..files.peft_names import PEFT_PREFIX
from ..files.revisions import split_revision
from ..files.tensors import TensorStore
from ..printable import printable
from ..updates import Factor
from .factors.file_factors import column_of, factor_of, number_of


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
        config: The whole ``adapter_config.json``, or a whole model's ``config.json``; empty where there is none.
        config_file: Its path, or None.
        tensors: The tensors.
        base_given: The base that the caller named.
        live: W0, where the adapter is on a model in memory.
        scales: Of such an adapter, path to the s that its layer has.
        find: Its files, by name, and others beside them.
        made: Of a model in memory by one of PEFT's other methods, its updates.
        config_version: Of `config_file` when it was read.
        also: Other files that s or ΔW is made by, each as it was when it was read, as whoever reads them adds them.
        whole_model: Whether they are a model's that was tuned in full, and `base_given` what it was tuned from.
    """

    source: str
    config: Mapping[str, Any]
    config_file: Path | None
    tensors: TensorStore
    base_given: str | None = None
    live: BaseWeights | None = None
    scales: Mapping[str, float] = field(default_factory=dict)
    find: FindFile = nowhere
    made: Live | None = None
    whole_model: bool = False
    config_version: Version | None = None
    also: dict[Path, Version] = field(default_factory=dict, repr=False, compare=False)

    @property
    def read_from(self) -> dict[Path, Version]:
        """The configuration, the files of tensors and what was read beside them, each as it was when it was opened."""
        config, version = self.config_file, self.config_version
        own = {config: version} if config and version else {}
        return own | self.tensors.read_from | self.also

    @property
    def names(self) -> Set[str]:
        """Of the tensors."""
        return self.tensors.files.keys()

    def holds(self, pattern: re.Pattern[str]) -> bool:
        """Whether a tensor's name is of a pattern, whole."""
        return any(map(pattern.fullmatch, self.names))

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
        own, own_revision = None, self._own_revision
        if named := self.text("base_model_name_or_path"):
            own, typed = split_revision(named)
            own_revision = typed or own_revision
        if self.base_given is None:
            return own, own_revision
        given, revision = split_revision(self.base_given)
        return given, revision or (own_revision if given == own else None)

    @property
    def _own_revision(self) -> str | None:
        found = self.text("revision")
        return None if found == "main" else found  # which is read without being asked for

    @property
    def origin(self) -> Origin:
        """What the files say of the model that the adapter was trained on."""
        mapping = self.config.get("auto_mapping")
        said = mapping if isinstance(mapping, Mapping) else {}
        library, model_class = (said.get(key) for key in ("parent_library", "base_model_class"))
        if self.whole_model:
            classes = self.config.get("architectures")
            model_class = classes[0] if isinstance(classes, list) and classes else None
        words = (name.removeprefix(PEFT_PREFIX).partition(".")[0] for name in self.names)
        return Origin(
            base=self.source if self.whole_model else self.text("base_model_name_or_path"),
            library=library if isinstance(library, str) else None,
            model_class=model_class if isinstance(model_class, str) else None,
            words=frozenset(words),
            revision=self._own_revision,
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
        return number_of(self.tensors, name)

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
        return factor_of(self.tensors, name, transposed=transposed, unfolded=unfolded)

    def column(self, name: str) -> Factor:
        """A tensor of numbers in a row, whatever axes of one number are around it, as a column.

        Raises:
            AdapterError: It has several axes.
        """
        return column_of(self.tensors, name)

    def base_configuration(self, *, download: bool | None = None) -> BaseConfiguration | None:
        """What the base's configuration says, of which no tensor is opened for it; None where it is not at hand.

        Args:
            download: Whether it may be; by default where the caller named the base.
        """
        from ..bases.opening import configuration_here

        if self.live is not None:
            return self.live.configuration
        if self.base_model is None:
            return None
        may = self.base_given is not None if download is None else download
        return configuration_here(self.base_model, self.revision, download=may)

    def open_base(self, *, download: bool = True) -> BaseWeights:
        """The base model, for a format whose A and B are made of W0.

        Args:
            download: Whether it may be, where the caller named it.

        Raises:
            AdapterError: None is named.
            BaseModelError: It is not found, or of another architecture than the adapter's.
        """
        from ..bases.of_adapter import open_base_for

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
