"""Pickles of a few hundred bytes that say more than any memory holds, and long ones that ask for the same again and again.

A tuple of twice the tuple before it, 300 times, is 600 bytes, and 2³⁰⁰ entries to whoever turns it to text, hashes or compares it.
"""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_config, write_lora
from commands import fails, run

from lora_lens.errors import FileFormatError
from lora_lens.files import pickle_steps
from lora_lens.files.pickle_steps import Steps
from lora_lens.files.pickled import load_bin
from lora_lens.files.wrapped import tensors_within

DEEP = 300
ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"


def told(word: bytes) -> bytes:
    return b"X" + len(word).to_bytes(4, "little") + word


# Each makes of memo 0 twice itself; from an empty tuple, list, set or dictionary on.
NESTED: Mapping[str, bytes] = {
    "TUPLE": b"(h\0h\0tq\0", "TUPLE1": b"h\0\x85h\0\x86q\0", "TUPLE2": b"h\x002\x86q\0", "TUPLE3": b"h\x0022\x87q\0",
    "LIST": b"(h\0h\0lq\0", "APPEND": b"]h\0ah\0aq\0", "APPENDS": b"](h\0h\0eq\0", "DICT": b"(K\0h\0K\1h\0dq\0",
    "SETITEM": b"}K\0h\0sK\1h\0sq\0", "SETITEMS": b"}(K\0h\0K\1h\0uq\0", "ADDITEMS": b"\x8f(h\0h\0\x90q\0",
    "FROZENSET": b"(h\0h\0\x91q\0", "REDUCE": ORDERED + b"](h\0h\0\x86h\0h\0\x86e\x85Rq\0",
    "NEWOBJ": ORDERED + b"](K\0h\0\x86K\1h\0\x86e\x85\x81q\0", "NEWOBJ_EX": ORDERED + b"h\0h\0\x92q\0",
    "BUILD": b"}h\0h\0\x86bq\0", "INST": b"(h\0h\0icollections\nOrderedDict\nq\0",
    "OBJ": b"(" + ORDERED + b"h\0h\0oq\0", "STACK_GLOBAL": b"h\0h\0\x93q\0", "GLOBAL": b"ca\nb\nh\0Rq\0",
    "BINPERSID": b"(h\0h\0tQq\0", "PERSID": b"Pa\nh\0\x86q\0", "GET, PUT": b"g0\ng0\n\x86p0\n",
    "LONG_BINGET, LONG_BINPUT": b"j\0\0\0\0j\0\0\0\0\x86r\0\0\0\0", "EXT1": b"\x82\1h\0\x86q\0",
}  # fmt: skip
MEMOIZED = b")\x94" + b"".join(
    b"j%bj%b\x86\x94" % (k.to_bytes(4, "little"), k.to_bytes(4, "little")) for k in range(DEEP)
)
# Each does with memo 0 what would turn it to text, hash or compare it.
USED: Mapping[str, bytes] = {
    "the end": b"h\0.", "a value": b"}" + told(b"x") + b"h\0s.", "a key": b"}h\0Ns.", "keys": b"}(h\0Nh\0Nu.",
    "a member": b"\x8f(h\0\x90.", "a pair's": ORDERED + b"]h\0N\x86a\x85R.", "pairs": ORDERED + b"h\0\x85R.",
    "what is called": b"h\0)R.", "arguments": REBUILD + b"h\0R.", "a class": b"h\0)\x81.",
    "a module's name": b"h\0" + told(b"x") + b"\x93.", "a name": told(b"torch") + b"h\0\x93.", "an id": b"h\0Q.",
    "a word": b"(h\0" + told(b"x") + b"tQ.",
    "a storage's kind": b"(" + told(b"storage") + b"h\0" + told(b"0") + told(b"cpu") + b"K\4tQ.",
    "a storage's key": b"(" + told(b"storage") + b"ctorch\nFloatStorage\nh\0" + told(b"cpu") + b"K\4tQ.",
    "a storage's count": b"(" + told(b"storage") + b"ctorch\nFloatStorage\n" + told(b"0") + told(b"cpu") + b"h\0tQ.",
    "a storage's view": b"(" + told(b"storage") + b"ctorch\nFloatStorage\n" + told(b"0") + told(b"cpu") + b"K\4h\0tQ.",
    "a shape": REBUILD + b"(" + STORAGE + b"K\0h\0)\x89)tR.", "strides": REBUILD + b"(" + STORAGE + b"K\0)h\0\x89)tR.",
    "a size": REBUILD + b"(" + STORAGE + b"K\0h\0\x85K\1\x85\x89)tR.", "an offset": REBUILD + b"(" + STORAGE + b"h\0K\1\x85K\1\x85\x89)tR.",
    "a dtype": b"ctorch._utils\n_rebuild_tensor_v3\n(" + STORAGE + b"K\0K\1\x85K\1\x85\x89)h\0tR.",
    "a type": b"ctorch._tensor\n_rebuild_from_type_v2\n(" + REBUILD + b"h\0))tR.",
    "how": b"ctorch._tensor\n_rebuild_from_type_v2\n(h\0ctorch\nTensor\n))tR.",
    "parts": b"}" + told(b"mp_world_size") + b"h\0s.",
}  # fmt: skip
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
SYSTEM = pickle.dumps({"little_endian": True}, 2)


def chain(step: bytes) -> bytes:
    return b")q\x00" + step * DEEP


def archive(path: Path, program: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + program)
        file.writestr("archive/data/0", bytes(16))
    return path


def chains(folder: Path) -> Iterator[Path]:
    """A file of every way to nest and every use of what is nested; of an archive, and of each pickle of a row."""
    nests = {name: chain(step) for name, step in NESTED.items()} | {
        "MEMOIZE": MEMOIZED + b"q\x00",
        "TUPLE1 alone": b")" + b"\x85" * 50_000 + b"q\x00",
        "lists alone": b"]" + b"]a" * 5_000 + b"q\x00",
    }
    for nest, made in nests.items():
        for use, step in USED.items():
            yield archive(folder / f"{nest} - {use}.bin", made + step)
        last = b"\x80\x02" + made + b"h\x00."
        key = b"\x80\x02" + made + b"]h\x00a."
        before = (MAGIC, pickle.dumps(1001, 2), SYSTEM, pickle.dumps({}, 2))
        for k in range(len(before) + 1):
            path = folder / f"{nest} - row {k}.bin"
            path.write_bytes(b"".join(before[:k]) + (key if k == len(before) else last))
            yield path


LONG: Mapping[str, bytes] = {
    "steps": b"N0" * 2_200_000 + b".",
    "values": b"N" * 1_100_000 + b".",
    "kept values": b"N" + b"\x94" * 1_100_000 + b".",
    "a list of pairs for many": ORDERED + b"q\0]q\1(" + b"K\1N\x86" * 50_000 + b"e" + b"h\0h\1\x85R0" * 50_000 + b".",
    "arguments for many": REBUILD + b"q\0(" + b"N" * 100_000 + b"tq\1" + b"h\0h\1R0" * 100_000 + b".",
    "a shape for many": REBUILD + b"q\0(" + b"K\1" * 100_000 + b"tq\1" + (b"h\0(" + STORAGE + b"K\0h\1h\1\x89)tR0") * 20_000 + b".",
    "an id for many": b"(" + b"N" * 100_000 + b"tq\1" + b"h\1Q0" * 100_000 + b".",
    "long names as keys": b"".join(told(b"a" * 9_999_999) + bytes((0x71, k)) for k in (1, 2)) + b"}" + b"h\1Nsh\2Ns" * 100_000 + b".",
    "attributes within": b"ctorch._tensor\n_rebuild_from_type_v2\nq\1ctorch\nTensor\nq\2)" + b"q\0(h\1h\2h\0)t" * 20_000 + b"q\0h\1h\0R.",
    "a number of a megabyte": b"\x8b" + (10**6).to_bytes(4, "little") + b"\x7f" * 10**6 + b".",
    "sizes of a kilobyte": REBUILD + b"(" + STORAGE + b"K\0(" + (b"\x8a\xff" + b"\x7f" * 255) * 64 + b"t(" + b"K\1" * 64 + b"t\x89)tR.",
    "a number of no bytes": b"\x8b\xff\xff\xff\x7f.", "a word of no bytes": b"X\xff\xff\xff\xff.",
    "a longer one": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "octets of none": b"B\xff\xff\xff\xff.",
    "digits": b"L" + b"9" * 10**6 + b"L\n.", "no line's end": b"c" + b"a" * 10**7,
    "names for many": b"}q\1}(" + b"".join(told(b"%d" % k) + b"N" for k in range(30_000)) + b"uq\2" + b"h\1("
    + b"".join(told(b"w.%d" % k) + b"h\2" for k in range(30_000)) + told(b"w.x") + REBUILD + b"(" + STORAGE + b"K\0K\1\x85K\1\x85\x89)tRu.",
}  # fmt: skip
READER = """
import json, pathlib, resource, sys
from lora_lens.errors import FileFormatError
from lora_lens.files.pickled import load_bin
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)
for path in map(pathlib.Path, json.load(sys.stdin)):
    print(path.stem, end="\\t", flush=True)
    try:
        print("read", len(load_bin(path).names), flush=True)
    except FileFormatError as error:
        print(error, flush=True)
"""


def read_apart(paths: list[Path]) -> dict[str, str]:
    """What is said of each file by a process with 4 GB and a few minutes for all of them, of which it takes seconds."""
    pytest.importorskip("resource", reason="Windows bounds no memory")
    told = subprocess.run(
        [sys.executable, "-c", READER], input=json.dumps(list(map(str, paths))), text=True,
        stdout=subprocess.PIPE, timeout=300, check=True,
    )  # fmt: skip
    found = dict(line.split("\t", 1) for line in told.stdout.splitlines())
    assert found.keys() == {path.stem for path in paths}
    assert not [said for said in found.values() if "MemoryError" in said]
    return found


def test_chains_of_every_step_that_nests_end_at_once(tmp_path: Path) -> None:
    found = read_apart(list(chains(tmp_path)))
    assert {said for said in found.values() if said.startswith("read")} <= {"read 0"}
    assert found["TUPLE2 - a storage's key"].endswith("(a storage under a tuple)")
    assert found["TUPLE2 - what is called"].partition(" holds ")[2].startswith("more than tensors")


def test_long_programs_are_read_in_time_that_is_linear(tmp_path: Path) -> None:
    found = read_apart([archive(tmp_path / f"{name}.bin", one) for name, one in LONG.items()])
    assert {name: said.partition("has a pickle of ")[2].partition("; ")[0] for name, said in found.items()} == dict.fromkeys(LONG, "") | {
        "steps": "more than 4,194,304 steps", "values": "more than 1,048,576 values at once",
        "kept values": "more than 1,048,576 values at once", "a list of pairs for many": "more than 4,194,304 steps",
        "long names as keys": "a name of 9,999,999 letters", "a number of a megabyte": "a number of more than 2,048 bits",
    }  # fmt: skip
    assert found["names for many"] == "read 1"
    assert not [name for name, said in found.items() if said == "read 0"]


def test_a_rows_pickles_have_one_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pickle_steps, "MOST_STEPS", 1000)
    before = (MAGIC, pickle.dumps(1001, 2), SYSTEM)
    alike = b"\x80\x02" + b"N0" * 300 + b"}."
    path = tmp_path / "x.bin"
    path.write_bytes(b"".join(before) + alike + pickle.dumps([], 2))
    assert load_bin(path).names == []
    path.write_bytes(b"".join(before) + alike + b"\x80\x02" + b"N0" * 300 + b"].")
    with pytest.raises(FileFormatError, match="has a pickle of more than 1,000 steps"):
        load_bin(path)


def test_a_pickle_of_very_many_bytes_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setattr("lora_lens.files.pickled.MOST_BYTES", 1000)
    with pytest.raises(FileFormatError, match="has a pickle of more than 1,000 bytes"):
        load_bin(archive(tmp_path / "x.bin", b"}" + told(b"x" * 1000) + b"Ns."))


@pytest.mark.parametrize("kind", [torch.Tensor, torch.nn.Parameter])
def test_seventy_thousand_tensors_are_within_the_bounds(kind: type) -> None:
    """By the steps that 2,000 take."""
    tensor = kind(torch.ones(1, 2))
    stream, steps = io.BytesIO(), Steps()
    torch.save({f"base.layer.{k}.weight": tensor for k in range(2000)}, stream)
    with zipfile.ZipFile(stream) as file:
        steps.run(io.BytesIO(file.read("archive/data.pkl")))
    assert (pickle_steps.MOST_STEPS - steps._left) / 2000 * 70_000 < pickle_steps.MOST_STEPS
    assert len(steps._memo) / 2000 * 70_000 < pickle_steps.MOST_HELD


def test_names_beside_the_weights_are_bounded() -> None:
    held = {f"{k}": 1.0 for k in range(1000)}
    many = {"a.w": 1.0} | {f"{'x' * 10_000}{k}": dict(held) for k in range(10)}
    with pytest.raises(FileFormatError, match="more tensors beside the weights"):
        tensors_within(many, float)
    alike = {"a.w": 1.0, "x": held, "y": held}
    assert len(tensors_within(alike, float).beside) == 1000


class HeardError(BaseException):
    """That a value was turned to text, hashed or compared."""


def heard(*_: object) -> object:
    raise HeardError


ASKED = ("__str__", "__repr__", "__hash__", "__eq__", "__format__")
LOUD = type("Loud", (tuple,), dict.fromkeys(ASKED, heard))


class WithLoud(Steps):
    """A machine with a value in its memo that says when it is asked."""

    def _begin(self) -> None:
        super()._begin()
        self._memo[0] = LOUD()


@pytest.mark.parametrize("use", USED)
def test_no_value_of_a_pickle_is_turned_to_text_hashed_or_compared(use: str) -> None:
    with suppress(Exception):
        WithLoud().run(io.BytesIO(b"\x80\x02" + USED[use]))


@pytest.mark.parametrize("command", ["matrix", "similarity", "inspect"])
def test_a_good_adapter_beside_a_broken_one_is_told_which_that_is(
    command: str, tmp_path: Path
) -> None:
    good = write_lora(tmp_path / "good", BertLike(layers=2, width=8, rank=2))
    write_config(tmp_path / "broken", base=None, r=2)
    archive(tmp_path / "broken" / "adapter_model.bin", chain(NESTED["TUPLE2"]) + USED["a storage's key"])  # fmt: skip
    words = ("matrix", good) if command == "matrix" else (command,)
    result = run(*words, tmp_path / "broken")
    fails(result, "broken/adapter_model.bin", "is not a whole PyTorch file")
    assert result.stderr.count("\n") == 1


HEARD = """
import os, pickletools, signal, sys
from lora_lens.__main__ import main
own = pickletools.genops
def steps(stream):
    for k, step in enumerate(own(stream)):
        if k == 1000:
            os.kill(os.getpid(), signal.SIGTERM)
        yield step
pickletools.genops = steps
sys.argv = ["lora-lens", "inspect", sys.argv[1]]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that is heard")
def test_sigterm_is_heard_while_a_pickle_is_read(tmp_path: Path) -> None:
    write_config(tmp_path, base=None, r=2)
    archive(tmp_path / "adapter_model.bin", b"N0" * 2_000_000 + b"}.")
    told = subprocess.run(
        [sys.executable, "-c", HEARD, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert told.returncode == 128 + signal.SIGTERM
    assert told.stderr == "lora-lens: ended; nothing is half-written\n"
    assert told.stdout == ""
