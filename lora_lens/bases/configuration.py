"""A base's ``config.json``: which architecture it is, and of a model made of several, which part is which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from ..files.json_files import read_json
from ..files.local_files import FindFile
from ..files.mapped import Version, version_of

# Parts that are sometimes saved without a model_type of their own, being the class's default.
_PARTS = frozenset(
    {
        "text_config",
        "vision_config",
        "audio_config",
        "speech_config",
        "llm_config",
        "encoder",
        "decoder",
    }
)
_ENDINGS = ("_config", "_model", "_tower")
_SAME_PART = {"language": "text", "llm": "text", "visual": "vision"}


@dataclass(frozen=True)
class BaseConfiguration:
    """What a configuration says of the architecture.

    Attributes:
        model_type: As transformers names it; None where it is not said.
        own_code: Whether the model comes with code of its own (``auto_map``), so that its type says
            nothing about how transformers' own model of that name is made.
        parts: Of a model made of several (an encoder and a decoder, an image and a text model), the
            configuration of each by its key.
        settings: All that it says.
        read_from: The file, as it was when it was read.
    """

    model_type: str | None = None
    own_code: bool = False
    parts: Mapping[str, BaseConfiguration] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    read_from: Mapping[Path, Version] = field(default_factory=dict, repr=False, compare=False)

    def of(self, name: str) -> tuple[BaseConfiguration, ...]:
        """The configuration of the part that a tensor is in; all that it can be where the name does not tell.

        Example:
            >>> whole = configuration_of(
            ...     {
            ...         "model_type": "vision-encoder-decoder",
            ...         "encoder": {"model_type": "vit"},
            ...         "decoder": {"model_type": "gpt2"},
            ...     }
            ... )
            >>> [one.model_type for one in whole.of("decoder.transformer.h.0.attn.c_proj.weight")]
            ['gpt2']
        """
        words = name.split(".")
        for place, word in enumerate(words):
            for key, part in self.parts.items():
                if word == key or _part_named(word) == _part_named(key):
                    return part.of(".".join(words[place + 1 :]))
        return tuple(self.all())

    def all(self) -> Iterator[BaseConfiguration]:
        """This one and those of its parts."""
        yield self
        for part in self.parts.values():
            yield from part.all()


def _part_named(word: str) -> str:
    """``text`` of ``text_config``, of ``text_model`` and of ``language_model``."""
    for ending in _ENDINGS:
        word = word.removesuffix(ending)
    return _SAME_PART.get(word, word)


def configuration_of(config: Mapping[str, Any], *, own_code: bool = False) -> BaseConfiguration:
    """What the content of a ``config.json`` says; see there for `own_code`, which parts inherit."""
    model_type = config.get("model_type")
    own_code = own_code or "auto_map" in config
    return BaseConfiguration(
        model_type if isinstance(model_type, str) and model_type else None,
        own_code,
        {
            key: configuration_of(value, own_code=own_code)
            for key, value in config.items()
            if isinstance(value, Mapping) and ("model_type" in value or key in _PARTS)
        },
        config,
    )


def read_configuration(find: FindFile) -> BaseConfiguration:
    """What the ``config.json`` among a base's files says; nothing where there is none.

    Raises:
        FileFormatError: It is no JSON object.
    """
    path = find("config.json")
    if path is None:
        return BaseConfiguration()
    read_from = {path: version_of(path)}
    return replace(configuration_of(read_json(path, FileFormatError)), read_from=read_from)
