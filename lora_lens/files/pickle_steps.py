"""What a pickle of tensors says, step by step: nothing is called, imported or built that it names.

A pickle is a program for a small machine with a stack. Here the machine knows numbers, words, lists,
tuples, dictionaries, and the few names that PyTorch writes for a tensor and its storage, which become
`StoredTensor` and `Storage`: sizes, and no numbers yet. Anything else is refused.

Six hundred bytes can say a tuple of 2²⁰⁰ entries (a pair of twice the pair before it, again and again), which takes for ever to be
turned to text, hashed or compared. So nothing that a pickle made is, but what is exactly a `str` or an `int`, and each of these is
short; and a step takes no longer the more steps there were before it, so that the bounds below are of time and of memory.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# PyTorch's names for the numbers of a storage, and what a byte count needs of them.
SIZES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint8": 1, "bool": 1, "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
    "uint16": 2, "uint32": 4, "uint64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip
_OF_STORAGE: Mapping[str, str] = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool", "UntypedStorage": "uint8",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_MOST_AXES = 64  # NumPy's
MOST_BYTES = 2**26  # of a file's pickles
# Of all pickles of a file, with the entries of what they make; one of PyTorch's tensors takes 45, a parameter 55.
MOST_STEPS = 2**22
MOST_HELD = 2**20  # values on the stack, and as many that are kept for later
_MOST_BITS = 2**11
_LONGEST_KEY = 2**14
_MOST_ARGUMENTS = 16


class NotTensorsError(Exception):
    """The pickle names something else than tensors: loading it could run code."""


class TooMuchError(Exception):
    """The pickle is beyond a bound; the message says which."""


class NoNumbersError(Exception):
    """A tensor whose numbers are not simply in the file; the message says which kind."""


@dataclass(frozen=True)
class Storage:
    """`count` numbers of the type `dtype` in the file, known there as `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a view of a storage; offset and strides count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def last(self) -> int:
        """Where in the storage the last of its numbers is, where it has any."""
        return self.offset + sum(
            (n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)
        )


class _Name(NamedTuple):
    """A global that the pickle names."""

    module: str
    name: str


class _Opaque:
    """A value that is of no tensor: an attribute's, a set's; or a key that is no name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "what is no name"


class Steps:
    """The machine; `run` gives what a pickle ends with, `storages` has those that it names.

    It can be run again, on the next pickle of the file: the bounds are of all together.
    """

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._left = MOST_STEPS
        self._begin()

    def _begin(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: Any) -> Any:
        """Read one pickle from where the stream stands, to its end.

        Raises:
            NotTensorsError: It names what is no part of a tensor.
            NoNumbersError: A tensor is sparse, on the meta device, or of more numbers than are stored.
            TooMuchError: It is beyond a bound.
            ValueError, IndexError, KeyError, TypeError, AttributeError: It is broken.
        """
        self._begin()
        stack = self._stack
        for step, given, _ in pickletools.genops(stream):
            self._spend(1)
            if step.name in _VALUES:
                if type(given) is int and given.bit_length() > _MOST_BITS:
                    raise TooMuchError(f"a number of more than {_MOST_BITS:,} bits")
                stack.append(given)
            elif step.name in _MADE:
                stack.append(_MADE[step.name]())
            elif step.name not in _PASSED:
                action = _ACTIONS.get(step.name)
                if action is None:
                    raise NotTensorsError(step.name)
                action(self, given)
            if len(stack) > MOST_HELD or len(self._memo) > MOST_HELD:
                raise TooMuchError(f"more than {MOST_HELD:,} values at once")
        return stack.pop()

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchError(f"more than {MOST_STEPS:,} steps")

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        found = self._stack[start:]
        self._spend(len(found))
        del self._stack[start:]
        return found

    def _keep(self, place: Any) -> None:
        self._memo[len(self._memo) if place is None else int(place)] = self._stack[-1]

    def _fetch(self, place: Any) -> None:
        self._stack.append(self._memo[int(place)])

    def _tuple(self, count: int | None) -> None:
        if count is None:
            found = self._since_mark()
        else:
            found = [self._stack.pop() for _ in range(count)][::-1]
        self._stack.append(tuple(found))

    def _append(self, found: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(found)

    def _set(self, found: list[Any]) -> None:
        into = self._stack[-1]
        if isinstance(into, dict):
            for key, value in zip(found[::2], found[1::2], strict=True):
                into[_key(key)] = value

    def _global(self, given: Any) -> None:
        if given is None:
            name, module = self._stack.pop(), self._stack.pop()
            if type(name) is not str or type(module) is not str:
                raise NotTensorsError(f"{_shown(module)}.{_shown(name)}")
        else:
            module, _, name = given.partition(" ")
        self._stack.append(_Name(module, name))

    def _storage(self, _: Any) -> None:
        said = self._stack.pop()
        word = said[0] if type(said) is tuple and said else said
        if type(word) is not str or word != "storage":  # a module, with the text of its program
            raise NotTensorsError(_shown(word))
        if len(said) not in (5, 6):
            raise ValueError(f"a storage that is told in {len(said)} words")
        kind, key, count = said[1], said[2], said[4]
        if len(said) > 5 and said[5] is not None:
            raise NoNumbersError("a part of another storage")
        if type(kind) is not _Name or kind.name not in _OF_STORAGE:
            raise NoNumbersError(f"of {_shown(kind)}")
        if type(key) not in (str, int):
            raise ValueError(f"a storage under a {_shown(key)}")
        found = Storage(str(_key(key)), _OF_STORAGE[kind.name], _whole(count))
        self.storages[found.key] = found
        self._stack.append(found)

    def _call(self, _: Any) -> None:
        given, what = self._stack.pop(), self._stack.pop()
        if type(what) is _Name and what in _DICTS and type(given) is tuple:
            pairs = given[0] if given and isinstance(given[0], list) else []
            self._spend(len(pairs))  # one list can be asked for by many
            self._stack.append(dict(map(_pair, pairs)))
        else:
            self._stack.append(_called(what, given))

    def _build(self, _: Any) -> None:
        self._stack.pop()  # attributes, of a dictionary of tensors PyTorch's versions of its modules


_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_PASSED = frozenset({"PROTO", "FRAME", "STOP"})
_MADE: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": _Opaque,
}  # fmt: skip
_ACTIONS: Mapping[str, Callable[[Steps, Any], None]] = {
    "MARK": Steps._mark,
    "POP": lambda machine, _: void(machine._stack.pop()),
    "POP_MARK": lambda machine, _: void(machine._since_mark()),
    "DUP": lambda machine, _: machine._stack.append(machine._stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Steps._keep),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Steps._fetch),
    "TUPLE": lambda machine, _: machine._tuple(None),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": lambda machine, _: machine._append([machine._stack.pop()]),
    **dict.fromkeys(
        ("APPENDS", "ADDITEMS"), lambda machine, _: machine._append(machine._since_mark())
    ),
    "SETITEM": lambda machine, _: machine._set([machine._stack.pop(), machine._stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), Steps._global),
    "BINPERSID": Steps._storage,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Steps._call),
    "BUILD": Steps._build,
}


def void(_: Any) -> None:
    """What an action gives that is not kept."""


def _shown(value: Any) -> str:
    """A value of a pickle in a message: a word, a number, a name; of anything else its kind."""
    if type(value) is _Name:
        return f"{value.module[:_SHOWN]}.{value.name[:_SHOWN]}"
    if type(value) is str:
        return value[:_SHOWN]
    return str(value)[:_SHOWN] if type(value) is int else type(value).__name__


def _key(key: Any) -> Any:
    """What a dictionary has for a key: itself, or something of no name."""
    if type(key) is str:
        if len(key) > _LONGEST_KEY:  # each time that it is looked up it may be compared
            raise TooMuchError(f"a name of {len(key):,} letters")
        return key
    return key if type(key) is int else _Opaque()


def _pair(pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError("a dictionary of what are no pairs")
    return _key(pair[0]), pair[1]


def _called(what: Any, given: Any) -> Any:
    """What PyTorch would make of a name and its arguments."""
    if type(what) is not _Name or type(given) is not tuple:
        raise NotTensorsError(_shown(what))
    if what in _TENSORS:
        if len(given) > _MOST_ARGUMENTS:  # they are copied, and can be asked for by many
            raise ValueError(f"a tensor that is told in {len(given):,} words")
        return _TENSORS[what](given)
    if what in _OF_NO_TENSOR:
        return _Opaque()
    if what.module.startswith("torch.distributed") and "tensor" in what.module:
        raise NoNumbersError(
            "shared out between processes (FSDP, DTensor), of which this file may have one's part"
        )
    for part, kind in _NO_NUMBERS.items():
        if part in what.name and what.module.startswith("torch"):
            raise NoNumbersError(kind)
    raise NotTensorsError(_shown(what))


def _tensor(given: tuple[Any, ...], dtype: str | None = None) -> StoredTensor:
    storage, offset, shape, strides = given[:4]
    if not isinstance(storage, Storage):
        raise TypeError("a tensor of no storage")
    if dtype is not None:
        storage = _retyped(storage, dtype)
    if len(given) > 6 and given[6]:
        raise NoNumbersError("conjugated or negated when it is read")
    if not (isinstance(shape, (tuple, list)) and isinstance(strides, (tuple, list))):
        raise TypeError("a tensor without sizes and strides")
    if len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError(f"{len(shape):,} sizes and {len(strides):,} strides")
    sizes, steps = tuple(map(_whole, shape)), tuple(map(_whole, strides))
    found = StoredTensor(storage, _whole(offset), sizes, steps)
    if found.count > storage.count or (found.count and found.last >= storage.count):
        raise NoNumbersError(
            f"of {'x'.join(map(str, sizes))} numbers made of the {storage.count} that are stored"
        )
    return found


def _tensor_v3(given: tuple[Any, ...]) -> StoredTensor:
    dtype = given[6]
    if type(dtype) is not _Name or dtype.name not in SIZES:
        raise NoNumbersError(f"of the type {_shown(dtype.name if type(dtype) is _Name else dtype)}")
    return _tensor((*given[:6], *given[7:]), dtype.name)


def _retyped(storage: Storage, dtype: str) -> Storage:
    return Storage(storage.key, dtype, storage.count * SIZES[storage.dtype] // SIZES[dtype])


def _inner(given: tuple[Any, ...]) -> StoredTensor:
    """Of an ``nn.Parameter``: its tensor."""
    found = given[0]
    if not isinstance(found, StoredTensor):
        raise TypeError("a parameter of no tensor")
    return found


def _of_type(given: tuple[Any, ...]) -> Any:
    """Of a tensor with attributes of its own: as it is without them."""
    how, kind, arguments, *_ = given
    if type(kind) is not _Name or kind not in _PLAIN_TYPES:
        raise NotTensorsError(_shown(kind))
    if type(how) is _Name and how == _OF_TYPE:
        raise ValueError("a tensor with attributes, of one with attributes")
    return _called(how, arguments)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{_shown(value)!r} where a whole number was expected")
    return value


_SHOWN = 60  # letters
_OF_TYPE = _Name("torch._tensor", "_rebuild_from_type_v2")
_PLAIN_TYPES = (_Name("torch", "Tensor"), _Name("torch.nn.parameter", "Parameter"))
_TENSORS: Mapping[_Name, Callable[[tuple[Any, ...]], Any]] = {
    _Name("torch._utils", "_rebuild_tensor"): _tensor,
    _Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    _Name("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    _Name("torch._utils", "_rebuild_parameter"): _inner,
    _Name("torch._utils", "_rebuild_parameter_with_state"): _inner,
    _OF_TYPE: _of_type,
}
_DICTS = frozenset({_Name("collections", "OrderedDict"), _Name("collections", "Counter")})
_OF_NO_TENSOR = frozenset({
    _Name("torch", "Size"), _Name("torch", "device"), _Name("torch.serialization", "_get_layout"),
    _Name("builtins", "set"), _Name("__builtin__", "set"), _Name("builtins", "bytearray"),
    _Name("__builtin__", "bytearray"), _Name("_codecs", "encode"),
})  # fmt: skip
_NO_NUMBERS: Mapping[str, str] = {
    "meta_tensor": "on the meta device, which has shapes alone",
    "sparse": "sparse",
    "nested": "nested",
    "wrapper_subclass": "of a class of its own",
}
