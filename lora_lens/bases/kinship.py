"""Whether a base is of the architecture that an adapter was trained on: names and sizes alone match too easily.

RoBERTa, BERT and MPNet have layers of the same names and sizes, and a shape check passes all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from ..adapter import Origin
from ..errors import BaseModelError
from .configuration import BaseConfiguration
from .families import PREFIXES, family, in_folder, with_prefix

_MODELS = "transformers.models."


class Evidence(NamedTuple):
    """What tells of the architecture that an adapter was trained on.

    Attributes:
        says: For messages: where it stands, and what it says.
        types: Every ``model_type`` that it can mean.
        certain: Whether there is no other.
    """

    says: str
    types: frozenset[str]
    certain: bool


class Kinship(NamedTuple):
    """Whether it is known that a base is of the adapter's architecture, and what speaks against it."""

    known: bool
    doubt: str | None = None


def check_kinship(
    origin: Origin,
    named: BaseConfiguration | None,
    source: str,
    base: BaseConfiguration,
    words: Collection[str] = (),
    *,
    by_itself: bool = False,
) -> Kinship:
    """Whether it is known that the base is of the adapter's architecture.

    Args:
        origin: What the adapter says of its model.
        named: Configuration of the base that it names, where that is on this machine and not the base
            itself.
        source: What messages call the base.
        base: Its configuration.
        words: What the names of its tensors begin with, for a base whose configuration says nothing.
        by_itself: Whether it is the one that the adapter names, by a hub id, which outweighs what a
            class calls its parts.

    Raises:
        BaseModelError: It is of another.
    """
    found = _of_base(base, words)
    if found is None:
        return Kinship(known=False)
    known, doubt = False, None
    for evidence in _of_adapter(origin, named, by_itself=by_itself):
        if {family(one) for one in evidence.types} & {family(one) for one in found.types}:
            known = True
        elif not found.certain:
            continue
        elif not evidence.certain:
            doubt = f"{source} may be another model than the adapter's: {found.says}, but {evidence.says}"
        else:
            raise BaseModelError(
                f"{source} is not the adapter's base model: {found.says}, but {evidence.says}. Pass --base "
                f"with the model that it was trained on"
            )
    return Kinship(known, None if known else doubt)


def _of_base(base: BaseConfiguration, words: Collection[str]) -> Evidence | None:
    if base.model_type is not None:
        return _of_configuration(base, "it is")
    types = frozenset(one for word in words for one in with_prefix(word))
    if not types:
        return None
    listed = " and ".join(sorted(word for word in words if with_prefix(word)))
    return Evidence(f"its tensors' names begin with {listed}", types, certain=True)


def _of_adapter(
    origin: Origin, named: BaseConfiguration | None, *, by_itself: bool
) -> Iterator[Evidence]:
    library = origin.library or _MODELS
    if types := in_folder(library.removeprefix(_MODELS).partition(".")[0]):
        yield Evidence(f"the adapter's model was of {library}", types, certain=True)
    words = sorted(word for word in origin.words if with_prefix(word))
    if words:
        types = frozenset(one for word in words for one in with_prefix(word))
        # A class of somebody's own may call any model ``bert``.
        says = f"the names of the adapter's modules begin with {' and '.join(words)}"
        yield Evidence(says, types, certain=library.startswith(_MODELS) and not by_itself)
    if named is not None and named.model_type is not None:
        said = _of_configuration(named, f"{origin.base}, which the adapter names, is")
        # Of a model made of several, the base of one part is another model: its weights went on.
        yield said._replace(types=frozenset({named.model_type}))


def _of_configuration(configuration: BaseConfiguration, of: str) -> Evidence:
    all_types = [one.model_type for one in configuration.all()]
    types = frozenset(one for one in all_types if one is not None)
    certain = not configuration.own_code and all(one in PREFIXES for one in all_types)
    return Evidence(f"{of} a {configuration.model_type} by its config.json", types, certain)
