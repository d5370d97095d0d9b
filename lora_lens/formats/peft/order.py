"""Which modules an adapter is on, in the order in which the base's class has them: where that deals out numbers.

The model is made by transformers without weights, by the base's ``config.json``; no code of a model's own is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import AdapterError
from ..adapter_files import AdapterFiles
from .bounded_expressions import Budget, Expression, expression

_AUTO = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}
_MOST_LAYERS = 10_000
_COUNTS = re.compile(r"layer|depth|expert|block")


def in_model(files: AdapterFiles, title: str) -> Iterator[str]:
    """Paths of the modules that the configuration targets, in the order in which the base's class has them."""
    import torch
    from transformers.pytorch_utils import Conv1D

    targeted = _Targeted(files)
    for path, module in _structure(files, title).named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D, torch.nn.Embedding)) and path in targeted:
            if isinstance(module, torch.nn.Embedding):
                raise AdapterError(
                    f"{files.source} is {title} on the embedding {path}, which is not read"
                )
            yield path


class _Targeted:
    """What PEFT asks a configuration when it chooses modules; expressions are not PEFT's to match, which may hang.

    Raises:
        AdapterError: A setting is neither names nor an expression whose time is bounded.
    """

    def __init__(self, files: AdapterFiles) -> None:
        self.target_modules, self._target = _named(files, "target_modules")
        self.exclude_modules, self._excluded = _named(files, "exclude_modules")
        self.layers_to_transform = files.config.get("layers_to_transform")
        self.layers_pattern = files.config.get("layers_pattern")
        said = self.layers_pattern or []
        names = [said] if isinstance(said, str) else said
        # PEFT puts them into expressions of its own.
        if not isinstance(names, list) or not all(
            isinstance(one, str) and re.fullmatch(r"[\w.]*", one) for one in names
        ):
            raise _neither(files, "layers_pattern", "names of the model's lists of layers")

    def __contains__(self, path: str) -> bool:
        from peft.tuners.tuners_utils import check_target_module_exists

        if self._excluded is not None and self._excluded.matches(path):
            return False
        if self._target is not None:
            self.target_modules = [path] if self._target.matches(path) else []
        return bool(check_target_module_exists(self, path))


def _named(files: AdapterFiles, key: str) -> tuple[list[str] | None, Expression | None]:
    """Names, or an expression, of a setting."""
    said = files.config.get(key)
    if isinstance(said, str):
        return None, expression(said, "(", ")$", Budget())
    if isinstance(said, list) and all(isinstance(one, str) for one in said):
        return said, None
    if said is None:
        return None, None
    raise _neither(files, key, "names or an expression")


def _neither(files: AdapterFiles, key: str, expected: str) -> AdapterError:
    return AdapterError(
        f"{files.source} says {key} {str(files.config[key])[:80]!r}, expected {expected}"
    )


def _structure(files: AdapterFiles, title: str) -> Any:
    """The base's class, without weights."""
    import torch
    import transformers

    here = files.base_configuration()
    settings = dict(here.settings) if here else {}
    kind, named = settings.pop("model_type", None), _class(files, settings)
    settings.pop("auto_map", None)  # a model's own code is never run
    cls: Any = getattr(transformers, named, None)
    auto = named in _AUTO.values()
    known = auto or (isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel))
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING or not known:
        raise AdapterError(
            f"{files.source} is {title}, which deals out numbers in the order of the model's layers, and that is not "
            f"known: pass --base with a base of transformers', with its config.json"
        )
    for key, value in settings.items():
        if isinstance(value, int) and value > _MOST_LAYERS and _COUNTS.search(key):
            raise AdapterError(f"the config.json of {files.base_model} says {key} {value}")
    config = transformers.AutoConfig.for_model(kind, **settings)
    with torch.device("meta"):
        return cls.from_config(config, trust_remote_code=False) if auto else cls(config)


def _class(files: AdapterFiles, settings: Mapping[str, Any]) -> str:
    """Name of the base's class in transformers; empty where nothing says it."""
    mapping = files.config.get("auto_mapping")
    said = mapping.get("base_model_class") if isinstance(mapping, Mapping) else None
    named = said or _AUTO.get(str(files.config.get("task_type")))
    listed = settings.get("architectures")
    named = named or (listed[0] if isinstance(listed, list) and listed else "")
    return named if isinstance(named, str) and named.isidentifier() else ""
