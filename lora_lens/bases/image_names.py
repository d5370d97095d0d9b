"""Which rows of which tensors of an image model are a module's W0, whoever named either of them.

diffusers' names are what both sides are taken to: `place` says of any path which of diffusers' smallest
modules its W0 is made of, and W0 is put together of these wherever the base has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from itertools import product
from typing import NamedTuple

from .image_located import Located, located, may_be
from .image_rules import Place, by_rule
from .image_unet import diffusers_path
from .pieces import Piece

_IN_PROJ = ".in_proj_weight"  # torch's own attention
_WEIGHT = ".weight"


class _Held(NamedTuple):
    """A tensor of the base."""

    name: str
    part: str | None
    place: Place


def place(path: str) -> Place:
    """What a module is made of; `path` is without the part of the pipeline.

    Example:
        >>> place("joint_blocks.0.x_block.attn.qkv").atoms[1]
        'transformer_blocks.0.attn.to_k'
        >>> place("out.2").atoms, place("unheard.of").atoms
        (('conv_out',), ('unheard.of',))
    """
    of_unet = diffusers_path(path)
    return Place((of_unet,)) if of_unet else by_rule(path) or Place((path,))


class ImageNames:
    """The names of an image model's tensors, and what W0 of a module is made of among them.

    Args:
        names: Of the tensors.
        shape: Gives a tensor's.
    """

    def __init__(self, names: Collection[str], shape: Callable[[str], tuple[int, ...]]) -> None:
        self._names = names
        self._shape = shape

    def find(self, path: str) -> list[tuple[Piece, ...]]:
        """Every W0 that the module at `path` can mean, as pieces below each other; right where this is one.

        Example:
            >>> rows = {"double_blocks.0.img_attn.qkv.weight": (9, 3)}
            >>> names = ImageNames(rows, rows.__getitem__)
            >>> names.find("transformer.transformer_blocks.0.attn.to_k")
            [(Piece(name='double_blocks.0.img_attn.qkv.weight', start=3, stop=6),)]
        """
        asked = located(path)
        parts = [part for part in self.parts if may_be(asked.part, part)]
        if asked.part in parts:
            parts = [asked.part]
        return [pieces for part in parts for pieces in self._in_part(asked, part)]

    @cached_property
    def parts(self) -> tuple[str | None, ...]:
        """Of the pipeline that it holds; None alone for one that says none."""
        return tuple(dict.fromkeys(one.part for one in self._held))

    def _in_part(self, asked: Located, part: str | None) -> list[tuple[Piece, ...]]:
        wanted = place(asked.rest)
        if same := self._by_atoms.get((part, wanted.atoms)):
            return [tuple(self._halves(wanted, one)) for one in same]
        of_each = [self._by_atom.get((part, atom), []) for atom in wanted.atoms]
        if all(of_each):
            return [tuple(pieces) for pieces in product(*of_each)]
        flat = self._by_flat.get((part, _flat(asked.rest)), [])
        return [(Piece(name),) for name in flat]

    def _halves(self, wanted: Place, held: _Held) -> Iterator[Piece]:
        """The whole tensor; shift and scale change places where the base has them the other way round."""
        rows, *columns = self._shape(held.name) or (1,)
        if wanted.shift_first == held.place.shift_first or [rows] != [2 * n for n in columns]:
            yield Piece(held.name)
        else:
            yield Piece(held.name, rows // 2, rows)
            yield Piece(held.name, 0, rows // 2)

    @cached_property
    def _held(self) -> tuple[_Held, ...]:
        found = []
        for name in sorted(self._names):
            for ending in (_WEIGHT, _IN_PROJ):
                if name.endswith(ending):
                    path = name.removesuffix(ending) + (".in_proj" if ending == _IN_PROJ else "")
                    where = located(path)
                    found.append(_Held(name, where.part, place(where.rest)))
        return tuple(found)

    @cached_property
    def _by_atoms(self) -> dict[tuple[str | None, tuple[str, ...]], list[_Held]]:
        found: dict[tuple[str | None, tuple[str, ...]], list[_Held]] = {}
        for one in self._held:
            found.setdefault((one.part, one.place.atoms), []).append(one)
        return found

    @cached_property
    def _by_atom(self) -> dict[tuple[str | None, str], list[Piece]]:
        found: dict[tuple[str | None, str], list[Piece]] = {}
        for one in self._held:
            for atom, piece in zip(one.place.atoms, self._cut(one), strict=False):
                found.setdefault((one.part, atom), []).append(piece)
        return found

    def _cut(self, one: _Held) -> Iterator[Piece]:
        """The rows of each atom of a tensor; none where they cannot be so many."""
        atoms, square, _ = one.place
        if len(atoms) == 1:
            yield Piece(one.name)
            return
        shape = self._shape(one.name)
        columns = shape[-1]
        rest, over = divmod(shape[0] - square * columns, len(atoms) - square)
        if rest <= 0 or over:
            return
        start = 0
        for number in range(len(atoms)):
            stop = start + (columns if number < square else rest)
            yield Piece(one.name, start, stop)
            start = stop

    @cached_property
    def _by_flat(self) -> dict[tuple[str | None, str], list[str]]:
        """For paths whose dots a trainer has written as ``_``, and that were not all put back."""
        found: dict[tuple[str | None, str], list[str]] = {}
        for one in self._held:
            where = located(one.name.removesuffix(_WEIGHT))
            found.setdefault((where.part, _flat(where.rest)), []).append(one.name)
        return found


def _flat(path: str) -> str:
    return path.replace(".", "_")
