"""Stand-ins for a base's layers, for PEFT to put its own on: of their kind and shape, with W0 where it is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..arrays import Tensor
from ..bases.weights import BaseWeights
from ..errors import AdapterError, BaseModelError
from .adapter_files import AdapterFiles

if TYPE_CHECKING:
    from .peft_methods import Contents

_OF_W0 = ("PSOFT", "MISS")  # of MiSS, only Bat
_AUTO = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}


_MOST = 1 << 28  # numbers of one layer: two GiB in float64
_MOST_LAYERS = 10_000
_COUNTS = re.compile(r"layer|depth|expert|block")


@dataclass(frozen=True)
class StandIn:
    """One layer.

    Attributes:
        shape: Of its weight, as the base has it.
        turned: Whether it is transformers' Conv1D, whose weight is (in, out).
        w0: Its weight; None for zeros that take no memory.
    """

    shape: tuple[int, ...]
    turned: bool = False
    w0: Tensor | None = None

    def as_matrix(self, weight: Tensor) -> Tensor:
        """A weight of this layer as (out, in)."""
        return weight.T if self.turned else weight.flatten(1)

    def layer(self) -> Any:
        """The layer, as PyTorch or transformers have it."""
        import torch

        if self.turned:
            from transformers.pytorch_utils import Conv1D

            with torch.device("meta"):
                made = Conv1D(self.shape[1], self.shape[0])
            made.bias = None
        elif len(self.shape) == 2:
            made = torch.nn.Linear(self.shape[1], self.shape[0], bias=False, device="meta")
        else:
            kinds: dict[int, Any] = {3: torch.nn.Conv1d, 4: torch.nn.Conv2d, 5: torch.nn.Conv3d}
            out, into, *kernel = self.shape
            made = kinds[len(self.shape)](into, out, tuple(kernel), bias=False, device="meta")
        zeros = torch.zeros((), dtype=torch.float64).expand(self.shape)
        made.weight = torch.nn.Parameter(zeros if self.w0 is None else self.w0, requires_grad=False)
        return made


def tree(layers: Mapping[str, StandIn]) -> Any:
    """A module that holds them at their paths, in their order, and nothing else."""
    import torch

    root = torch.nn.Module()
    for path, stand_in in layers.items():
        *parents, last = path.split(".")
        here = root
        for name in parents:
            if name not in here._modules:
                here.add_module(name, torch.nn.Module())
            here = here.get_submodule(name)
        here.add_module(last, stand_in.layer())
    return root


def stand_ins(files: AdapterFiles, found: Contents) -> tuple[dict[str, StandIn], list[str]]:
    """The layers that an adapter is on, in the model's order where that matters, and notes.

    Raises:
        AdapterError: The file does not say their shapes, or which they are, and the base is not there.
        BaseModelError: The base does not fit.
    """
    named = str(files.config["peft_type"]).upper()
    paths = _paths(files, found, named)
    needs_w0 = named in _OF_W0 and (named != "MISS" or files.config.get("init_weights") == "bat")
    base, why = _base(files)
    notes: list[str] = []
    if needs_w0:
        notes.append(f"{found.method.title}'s ΔW is made of W0")
        if named == "PSOFT":
            notes.append(
                "PSOFT's is made of W0's singular vectors, as PEFT finds them on this machine"
            )
    if base is not None:
        return {path: _of_base(base, path, needs_w0=needs_w0) for path in paths}, notes
    shape = _SHAPES.get(named)
    if needs_w0 or shape is None:
        what = "W0" if needs_w0 else "the shapes of W0"
        raise AdapterError(
            f"{files.source} is {found.method.title}, whose ΔW needs {what}: pass --base with the base model ({why})"
        )
    return {path: StandIn(_checked(path, shape(_own(files, found, path)))) for path in paths}, notes


def _checked(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Few numbers of a file can be the product of very many."""
    if not 2 <= len(shape) <= 5 or min(shape) < 1 or math.prod(shape) > _MOST:
        raise AdapterError(
            f"ΔW of {path} is of shape {shape}, expected a layer of a model, of at most {_MOST:,} numbers"
        )
    return shape


def _base(files: AdapterFiles) -> tuple[BaseWeights | None, str]:
    """The base, where it is here; else why it is not."""
    if files.base_model is None:
        return None, "the adapter names none"
    try:
        return files.open_base(), ""
    except BaseModelError as error:
        if files.base_given is not None:
            raise
        return None, str(error)


def _of_base(base: BaseWeights, path: str, *, needs_w0: bool) -> StandIn:
    import torch

    shape = _checked(path, base.stored_shape(path))
    turned = len(shape) == 2 and base.is_conv1d(path)
    w0 = None
    if needs_w0:
        whole = base.weight(path).to(torch.float32)
        w0 = (whole.T if turned else whole.reshape(shape)).contiguous()
    return StandIn(shape, turned, w0)


def _paths(files: AdapterFiles, found: Contents, named: str) -> list[str]:
    """Of the layers; in the model's order, where what they share is dealt out by it."""
    by_order = named == "TINYLORA" or (named == "UNILORA" and not found.layers)
    if not by_order:
        return list(found.layers)
    ordered = list(_in_model(files, found.method.title))
    if found.layers and set(found.layers) != set(ordered):
        differ = sorted(set(found.layers) ^ set(ordered))
        raise AdapterError(
            f"{files.source} is on other layers than its configuration chooses of its base: {', '.join(differ[:2])}"
        )
    return ordered


def _in_model(files: AdapterFiles, title: str) -> Iterator[str]:
    """Paths of the modules that the configuration targets, in the order in which the base's class has them."""
    import torch
    from peft.tuners.tuners_utils import check_target_module_exists
    from transformers.pytorch_utils import Conv1D

    _check_target(files)
    model = _structure(files, title)
    target = _Target(files.config)
    for path, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D, torch.nn.Embedding)) and (
            check_target_module_exists(target, path)
        ):
            if isinstance(module, torch.nn.Embedding):
                raise AdapterError(
                    f"{files.source} is {title} on the embedding {path}, which is not read"
                )
            yield path


def _check_target(files: AdapterFiles) -> None:
    """Refuse expressions that may take for ever on a path."""
    for key in ("target_modules", "exclude_modules", "layers_pattern"):
        said = files.config.get(key)
        words = [said] if isinstance(said, str) else said or []
        listed = isinstance(words, list) and all(isinstance(one, str) for one in words)
        plain = listed and all(re.fullmatch(r"[\w.]*", one) for one in words)
        simple = isinstance(said, str) and len(re.findall(r"[*+{]", said)) <= 3 and not re.search(
            r"\)[*+{]", said
        )  # fmt: skip
        if not (plain or simple):
            raise AdapterError(
                f"{files.source} chooses its modules by {key} {str(said)[:80]!r}, expected names, or an expression "
                f"with few repetitions: what it takes of the base's modules is not tried"
            )


class _Target:
    """What PEFT asks a configuration when it chooses modules."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.target_modules = config.get("target_modules")
        self.exclude_modules = config.get("exclude_modules")
        self.layers_to_transform = config.get("layers_to_transform")
        self.layers_pattern = config.get("layers_pattern")


def _structure(files: AdapterFiles, title: str) -> Any:
    """The base's class, without weights."""
    import torch
    import transformers

    from ..bases.opening import configuration_here

    here = files.base_model and configuration_here(
        files.base_model, files.revision, download=files.base_given is not None
    )
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


_Own = Mapping[str, tuple[int, ...]]  # the last words of a tensor's name → its shape


def _own(files: AdapterFiles, found: Contents, path: str) -> _Own:
    prefix = found.method.prefix
    names: Iterable[str] = (*found.layers.get(path, ()), *found.shared)
    return {prefix + name.partition(f".{prefix}")[2]: files.shape(name) for name in names}


def _loha(own: _Own) -> tuple[int, ...]:
    if "hada_t1" in own:
        return (own["hada_w1_a"][1], own["hada_w1_b"][1], *own["hada_t1"][2:])
    return own["hada_w1_a"][0], own["hada_w1_b"][1]


def _lokr(own: _Own) -> tuple[int, ...]:
    def whole(letter: str) -> tuple[int, ...]:
        if f"lokr_{letter}" in own:
            return own[f"lokr_{letter}"]
        if letter == "w2" and "lokr_t2" in own:
            return (own["lokr_w2_a"][1], own["lokr_w2_b"][1], *own["lokr_t2"][2:])
        return own[f"lokr_{letter}_a"][0], own[f"lokr_{letter}_b"][1]

    one, other = whole("w1"), whole("w2")
    return (one[0] * other[0], one[1] * other[1], *other[2:])


def _vblora(own: _Own) -> tuple[int, ...]:
    length = own["vblora_vector_bank"][1]
    into, out = (
        next(shape for name, shape in own.items() if name.startswith(f"vblora_logits_{letter}"))
        for letter in "AB"
    )
    return out[0] * length, into[1] * length


def _c3a(own: _Own) -> tuple[int, ...]:
    rows, columns, block = own["c3a_kernel"]
    return rows * block, columns * block


def _delora(own: _Own) -> tuple[int, ...]:
    return own["delora_B"][0], own["delora_A"][1]


def _gralora(own: _Own) -> tuple[int, ...]:
    a, b = own["gralora_A"], own["gralora_B"]
    return math.prod((b[0], b[2])), math.prod((a[0], a[1]))


# What a file alone says of its layers' shapes.
_SHAPES: Mapping[str, Callable[[_Own], tuple[int, ...]]] = {
    "LOHA": _loha,
    "LOKR": _lokr,
    "VBLORA": _vblora,
    "C3A": _c3a,
    "DELORA": _delora,
    "GRALORA": _gralora,
}
