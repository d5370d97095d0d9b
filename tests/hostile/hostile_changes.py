"""What is done to an adapter's files: bytes, headers, pickles, names, settings, shapes, numbers, links.

Every change takes its choices from a generator of random numbers, so that a number names an input.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

ESC = "\x1b[31m\x07\u202e"
WORDS: Sequence[str] = (
    "", ".", "..", "a\x00b", ESC, "q\n", "9" * 5000, "9" * 12, "0", "00", "-1", "x" * 300, "x" * 3000,
    "h." * 200, "../../etc/passwd", "/etc/passwd", "<script>alert(1)</script>", "=1+1", "@x", "+1", "-2", "[",
    "(", "*", "\\", "$x$", "^~", "%", "{}", "é", "層", "lora_A", "lora_B.weight", "weight", "default", "*", "@",
    "layers.99999999999.q", "layers.0", "layers.1.q_proj", "experts.3", "c_attn", "qkv", "query_key_value",
    "embed_tokens", "lora_embedding_A", "base_layer.weight", "modules_to_save.x", "lora_magnitude_vector",
    "alpha", "dora_scale", "theta_A", "lambda", "mid_block", "down_blocks", "_orig_mod", "module", "unet",
    "transformer", "text_encoder", "lora_unet_", "processor", "(a+)+b", "a{99999999999}", "(" * 3000,
    "(?:a|a)*" * 30, ".*" * 60, r"(.*\.)?q", "(?P<a>x)(?(a)y|z)", r"\d+\.q", "query|value", "[a-",
    "sentence-transformers/all-MiniLM-L6-v2", "me/x@main", "memory", "LORA", "ADALORA", "CONDLORA",
    "CONDADALORA", "ConditionalLORA", "LOHA", "VERA", "stored", "consistent", "bert", "gpt2", "mpnet", "llama",
    "roberta", "vit", "falcon", "bloom", "gpt_neox", "mpt", "phi3", "codegen", "gpt_bigcode", "dbrx", "pissa", "gaussian", "lora_only",
)  # fmt: skip
NUMBERS: Sequence[Any] = (
    0, 1, 2, 3, 4, 8, -1, 7, 64, 2**31, 2**63, 10**18, 10**299, 10**400, 0.5, 1.5, -0.0, 1e-320, 1e308,
    float("nan"), float("inf"), -float("inf"), True, False, None,
)  # fmt: skip
SETTINGS: Sequence[str] = (
    "peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora",
    "init_lora_weights", "target_modules", "base_model_name_or_path", "revision", "fan_in_fan_out",
    "auto_mapping", "layers_to_transform", "layer_replication", "condlora_modules", "convention",
    "condlora_version", "use_x", "task_type", "modules_to_save", "init_r", "lora_parameters", "fine_tune_type",
    "model_type", "auto_map", "text_config", "vision_config", "num_attention_heads", "n_head", "n_embd",
    "attn_config", "multi_query", "new_decoder_architecture", "num_kv_heads", "num_key_value_heads", "head_dim", "vocab_size", "image_size", "weight_map", "_diffusers_version", "encoder",
)  # fmt: skip
DTYPES: Sequence[tuple[str, float]] = (
    ("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F8_E8M0", 1), ("I64", 8),
    ("I32", 4), ("I8", 1), ("U8", 1), ("U16", 2), ("U32", 4), ("U64", 8), ("BOOL", 1), ("C64", 8), ("F4", 0.5),
    ("F6_E2M3", 0.75), ("X9", 4),
)  # fmt: skip


@dataclass(frozen=True)
class Link:
    """A link in the place of a file."""

    target: str


Files = dict[str, "bytes | Link"]


def word(rng: Random) -> str:
    found = rng.choice(WORDS)
    return (
        found if rng.random() < 0.8 else found + rng.choice([".", "/", "_", ""]) + rng.choice(WORDS)
    )


def value(rng: Random, depth: int = 0) -> Any:
    """Any JSON."""
    kind = rng.randrange(6 if depth < 3 else 4)
    if kind < 2:
        return rng.choice(NUMBERS)
    if kind < 4:
        return word(rng)
    if kind == 4:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {word(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def octets(rng: Random, found: bytes) -> bytes:
    """Bytes changed, cut, doubled, put in."""
    if not found:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
    kind, place = rng.randrange(7), rng.randrange(len(found))
    if kind == 0:
        return found[:place]
    if kind == 1:
        return found + found[place:]
    if kind == 2:
        return found[:place] + bytes(rng.randrange(1, 9)) + found[place:]
    if kind == 3:
        return found[:place] + found[place + rng.randrange(1, 64) :]
    changed = bytearray(found)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(found)) if kind < 6 else rng.randrange(min(len(found), 200))
        changed[at] = rng.choice(
            [0, 255, 128, 1, rng.randrange(256), changed[at] ^ (1 << rng.randrange(8))]
        )
    return bytes(changed)


# safetensors


def opened(found: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Header and data; None of what is none."""
    try:
        length = int.from_bytes(found[:8], "little")
        header = json.loads(found[8 : 8 + length])
        return (header, found[8 + length :]) if isinstance(header, dict) else None
    except (ValueError, RecursionError):
        return None


def closed(header: Mapping[str, Any], data: bytes) -> bytes:
    text = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def packed(tensors: Mapping[str, tuple[str, Sequence[int], bytes]], words: Mapping[str, str] | None = None) -> bytes:  # fmt: skip
    """A valid file of name → type, shape, bytes."""
    header: dict[str, Any] = {"__metadata__": dict(words)} if words else {}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}  # fmt: skip
        data += content
    return closed(header, data)


def unpacked(found: bytes) -> tuple[dict[str, tuple[str, list[int], bytes]], dict[str, str]] | None:
    both = opened(found)
    if both is None:
        return None
    header, data = both
    words = header.pop("__metadata__", {})
    try:
        return {
            name: (one["dtype"], one["shape"], data[slice(*one["data_offsets"])])
            for name, one in header.items()
        }, words
    except (TypeError, KeyError, ValueError):
        return None


def _entry(rng: Random, one: dict[str, Any], size: int) -> None:
    """What the header says of a tensor."""
    key = rng.choice([*one, "dtype", "shape", "data_offsets", word(rng)])
    if key == "dtype":
        one[key] = rng.choice(DTYPES)[0]
    elif key == "shape":
        one[key] = [rng.choice([0, 1, 2, 4, 8, 16, 2**31, 2**62, 2**63, -1, 1.5]) for _ in range(rng.randrange(5))]  # fmt: skip
    elif key == "data_offsets":
        one[key] = [rng.choice([0, 4, size, 2**40, 2**64, -8]) for _ in range(rng.choice([1, 2, 2, 2, 3]))]  # fmt: skip
    else:
        one[key] = value(rng)


def header(rng: Random, found: bytes) -> bytes:
    """What the header says, true to the data or not."""
    both = opened(found)
    if both is None or not both[0]:
        return octets(rng, found)
    said, data = both
    name = rng.choice(list(said))
    one = said[name]
    kind = rng.randrange(10)
    if kind == 0:
        said[name] = value(rng)
    elif kind == 1:
        said["__metadata__"] = {word(rng): rng.choice([word(rng), value(rng)]) for _ in range(3)}
    elif kind == 2:
        length = rng.choice([0, 1, 2**20, 2**40, 2**63, 2**64 - 1])
        return length.to_bytes(8, "little") + found[8:]
    elif kind == 3:
        return closed(said, data[: rng.randrange(len(data) + 1)])
    elif kind == 4:
        said[word(rng)] = one
    elif isinstance(one, dict) and one:
        _entry(rng, one, len(data))
    return closed(said, data)


def names(rng: Random, found: bytes) -> bytes:
    """Tensors named otherwise, doubled, taken away, exchanged, in a valid file."""
    both = unpacked(found)
    if both is None or not both[0]:
        return octets(rng, found)
    tensors, words = both
    for _ in range(rng.choice([1, 1, 2, 5])):
        name = rng.choice(list(tensors))
        kind = rng.randrange(7)
        if kind == 0 and len(tensors) > 1:
            del tensors[name]
        elif kind == 1:
            other = rng.choice(list(tensors))
            tensors[name], tensors[other] = tensors[other], tensors[name]
        elif kind == 2:
            tensors[word(rng)] = tensors[name]
        else:
            parts = name.split(".")
            at = rng.randrange(len(parts))
            parts[at] = rng.choice([word(rng), parts[at] + word(rng), rng.choice(parts), str(rng.randrange(12))])  # fmt: skip
            new = ".".join(parts)
            if kind < 5:  # of all tensors, so that they still belong together
                old, fresh = name.split(".")[at], parts[at]
                tensors = {".".join(fresh if p == old else p for p in n.split(".")): t for n, t in tensors.items()}  # fmt: skip
            else:
                tensors[new] = tensors.pop(name)
    return packed(tensors, words)


def shapes(rng: Random, found: bytes) -> bytes:
    """Other shapes, ranks and types, with as many bytes as they need."""
    both = unpacked(found)
    if both is None or not both[0]:
        return octets(rng, found)
    tensors, words = both
    size = rng.choice([0, 1, 2, 3, 5, 12, 40])
    old = rng.choice([n for _, shape, _ in tensors.values() for n in shape] or [1])
    every, dtype = rng.random() < 0.5, rng.choice(DTYPES)
    kind = rng.randrange(4)
    for name in list(tensors) if every else rng.sample(list(tensors), 1):
        had, shape, content = tensors[name]
        if kind == 0:
            shape = [size if n == old else n for n in shape]
        elif kind == 1:
            shape = shape[::-1]
        elif kind == 2:
            shape = rng.choice(
                [[*shape, 1], [1, *shape], shape[:1], [], [n for n in shape for _ in "ab"]]
            )
        each = dict(DTYPES).get(had, 4)
        if kind == 3:
            had, each = dtype
        count = 1
        for n in shape:
            count *= n
        if count > 20_000:
            continue
        wanted = int(count * each)
        tensors[name] = (had, shape, (content * (wanted // max(len(content), 1) + 1))[:wanted].ljust(wanted, b"\0"))  # fmt: skip
    return packed(tensors, words)


VALUES = (0.0, -0.0, 1.0, float("nan"), float("inf"), 1e-40, 1e30, -1e30, 1e-30, 3e38, 65504.0)


def numbers(rng: Random, found: bytes) -> bytes:
    """Other numbers: all, one, or a row; NaN, none, very large and very small."""
    both = unpacked(found)
    if both is None or not both[0]:
        return octets(rng, found)
    tensors, words = both
    for name in rng.sample(list(tensors), min(len(tensors), rng.choice([1, 1, 2, 20]))):
        dtype, shape, content = tensors[name]
        form = {"F32": "f", "F16": "e", "F64": "d"}.get(dtype)
        if dtype[0] in "IU" and content:
            new_bytes = _whole_numbers(rng, content)
            wide = len(new_bytes) == len(content)
            tensors[name] = (dtype, shape if wide else [len(new_bytes)], new_bytes)
            continue
        if form is None or not content or len(content) % struct.calcsize(form):
            continue
        values = [x for (x,) in struct.iter_unpack(f"<{form}", content)]
        new = rng.choice(VALUES if form != "d" else (*VALUES, 1e200, 1e-200, 1e308, 5e-324))
        kind = rng.randrange(4)
        if kind == 0:
            values = [new] * len(values)
        elif kind == 1:
            values[rng.randrange(len(values))] = new
        elif kind == 2:
            values = [x * new for x in values]
        else:
            wide = shape[-1] if shape else 1
            values[:wide] = [new] * len(values[:wide])
        try:
            tensors[name] = (dtype, shape, struct.pack(f"<{len(values)}{form}", *values))
        except OverflowError:
            continue
    return packed(tensors, words)


def _whole_numbers(rng: Random, content: bytes) -> bytes:
    """Codes, sizes, or JSON of a quantised weight's."""
    if content[:1] == b"{":
        return settings(rng, content) or b"{}"
    changed = bytearray(content)
    for _ in range(rng.choice([1, 4, len(content)])):
        changed[rng.randrange(len(content))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(changed)


# GGUF


def gguf(rng: Random, found: bytes) -> bytes:
    """Counts, lengths, types, shapes and offsets, before the tensors' own bytes; names and words of a file of it."""
    changed = bytearray(found)
    kind = rng.randrange(4)
    if kind == 0 or len(found) < 64:
        return octets(rng, found)
    if kind == 1:  # another word of the same length
        places = [k for k in range(24, len(found) - 4) if found[k : k + 4].isalpha()]
        if places:
            at = rng.choice(places)
            changed[at : at + 4] = rng.choice([b"blk.", b"\x1b[3m", b"\xff\xfe\0\0", b"gene", b"attn", b"0.at"])  # fmt: skip
        return bytes(changed)
    for _ in range(rng.choice([1, 1, 3])):
        at, width = rng.randrange(4, min(len(found) - 8, 900)), rng.choice([4, 8])
        new = rng.choice(
            [0, 1, 2, 3, 8, 9, 12, 31, 32, 255, 2**20, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
        )
        changed[at : at + width] = (new % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(changed)


# JSON


def settings(rng: Random, found: bytes) -> bytes:
    """A setting of another value or type, one that is not there, or text that is no JSON."""
    try:
        said = json.loads(found)
    except ValueError:
        return octets(rng, found)
    kind = rng.randrange(12)
    if kind == 0:
        return octets(rng, found)
    if kind == 1:
        return rng.choice([b"", b"[]", b"null", b"[" * 50_000, b'{"a":' * 20_000, b"\xff\xfe{}", b"\xef\xbb\xbf" + found, b"NaN", b'{"r":1' + b"0" * 5000 + b"}"])  # fmt: skip
    if not isinstance(said, dict):
        return found
    for _ in range(rng.choice([1, 1, 2, 4])):
        inner = said
        nested = [one for one in said.values() if isinstance(one, dict) and one]
        if nested and rng.random() < 0.4:
            inner = rng.choice(nested)
        key = rng.choice(
            [*inner, rng.choice(SETTINGS), rng.choice(SETTINGS)] if inner else SETTINGS
        )
        if kind == 2 and key in inner:
            del inner[key]
        elif kind == 3:
            inner[word(rng)] = inner.get(key)
        elif key.endswith("pattern") and rng.random() < 0.8:
            inner[key] = {word(rng): rng.choice(NUMBERS) for _ in range(rng.randrange(1, 5))}
        else:
            inner[key] = value(rng)
    return json.dumps(said, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


# .bin


class Called:
    """Pickled as a call."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


def pickled(rng: Random, found: bytes) -> bytes:
    """The pickle in an archive: bytes, sizes and strides, other calls; the archive itself."""
    if found[:4] != b"PK\x03\x04":
        return octets(rng, found)
    try:
        with zipfile.ZipFile(io.BytesIO(found)) as archive:
            members = {one.filename: archive.read(one) for one in archive.infolist()}
    except Exception:
        return octets(rng, found)
    name = next(
        (one for one in members if one.endswith("data.pkl")), next(iter(members), "a/data.pkl")
    )
    kind = rng.randrange(8)
    _member(rng, members, name, kind)
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if kind == 7 else zipfile.ZIP_STORED
    try:
        with zipfile.ZipFile(stream, "w", method) as archive:
            for one, inside in members.items():
                archive.writestr(one, inside)
    except (ValueError, UnicodeEncodeError):
        return octets(rng, found)
    return stream.getvalue()


def _member(rng: Random, members: dict[str, bytes], name: str, kind: int) -> None:
    content = members.get(name, b"")
    if kind < 3:
        members[name] = octets(rng, content)
    elif kind == 3:  # whole numbers of the program: sizes, strides, offsets, places in the memo
        changed = bytearray(content)
        for at in [k for k, one in enumerate(changed[:-2]) if one in b"KM"][:: rng.randrange(1, 6)]:
            changed[at + 1] = rng.choice([0, 1, 255, rng.randrange(256)])
        members[name] = bytes(changed)
    elif kind == 4:
        members[name] = _hostile_pickle(rng)
    elif kind == 5 and len(members) > 1:
        other = rng.choice(list(members))
        members[rng.choice([other, word(rng) or "x"])] = octets(rng, members[other])
    elif kind == 6 and len(members) > 1:
        del members[rng.choice(list(members))]


def _hostile_pickle(rng: Random) -> bytes:
    import torch

    class Pickler(pickle.Pickler):
        def persistent_id(self, one: Any) -> Any:
            return one if isinstance(one, tuple) and one and one[0] == "storage" else None

    def storage() -> Any:
        kind = rng.choice(
            [torch.FloatStorage, torch.HalfStorage, torch.LongStorage, torch.UntypedStorage]
        )
        return (
            "storage",
            kind,
            str(rng.randrange(3)),
            "cpu",
            rng.choice([0, 4, 16, 32, 10**12, -1, "x"]),
        )

    def sizes() -> tuple[Any, ...]:
        return tuple(
            rng.choice([0, 1, 2, 4, 8, 10**6, 2**62, 2**80, -1, 1.5])
            for _ in range(rng.randrange(4))
        )

    def tensor() -> Any:
        how = rng.choice(["_rebuild_tensor_v2"] * 4 + ["_rebuild_tensor", "_rebuild_meta_tensor_no_storage", "_rebuild_sparse_tensor", "_rebuild_qtensor"])  # fmt: skip
        return Called(getattr(torch._utils, how), storage(), rng.choice([0, 1, 10**9, -1]), sizes(), sizes(), False, {})  # fmt: skip

    def other() -> Any:
        return rng.choice([
            Called(eval, "open('owned', 'w')"), Called(exec, "import os; os.system('touch owned')"),
            Called(print, "x"), Called(bytearray, 10**12), 3, None, ESC, [1, 2], {"a": (1, (2,))}, (1, 2),
            Called(torch.device, "cpu"),
        ])  # fmt: skip

    path = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_{}.weight"
    said: Any = {
        rng.choice([path.format("A"), path.format("B"), word(rng), 3]): rng.choice(
            [tensor, other]
        )()
        for _ in range(rng.randrange(1, 5))
    }
    stream = io.BytesIO()
    try:
        Pickler(stream, 2).dump(rng.choice([said, said, said, [said], other()]))
    except Exception:
        return b"\x80\x02}."
    return stream.getvalue()


# files


def files(rng: Random, found: Files) -> None:
    """Files renamed, taken away, doubled, emptied, links in their places."""
    path = rng.choice(list(found))
    folder, _, name = path.rpartition("/")
    kind = rng.randrange(8)
    if kind == 0:
        del found[path]
    elif kind == 1:
        found[path] = b""
    elif kind == 2:
        other = rng.choice(list(found))
        found[path], found[other] = found[other], found[path]
    elif kind == 3:
        found[path] = Link(
            rng.choice(
                ["/etc/passwd", "../../../outside", path, name, "/dev/zero", "/dev/null", "."]
            )
        )
    elif kind == 4:
        new = rng.choice(["adapter_model.bin", "adapter_model.safetensors", "adapters.safetensors", "model.safetensors", "pytorch_model.bin", "config.json", "adapter_config.json", "x.safetensors", "adapter_model.safetensors.index.json", "pytorch_lora_weights.safetensors"])  # fmt: skip
        found[f"{folder}/{new}"] = found.pop(path)
    elif kind == 5:
        shards = {word(rng): rng.choice([name, word(rng)]) for _ in range(4)}
        found[f"{folder}/adapter_model.safetensors.index.json"] = json.dumps({"weight_map": rng.choice([shards, shards, value(rng)])}).encode("utf-8", "surrogatepass")  # fmt: skip
        found.pop(f"{folder}/adapter_model.safetensors", None)
    elif kind == 6:
        found[f"{path}/inside"] = found.pop(path)  # a folder where a file should be
    else:
        found[f"{folder}/sub/{name}"] = found.pop(path)


def generated(rng: Random, found: Files) -> None:
    """A file of our own making: names of every format's spelling, in any mixture."""
    spelled = rng.choice([
        ("lora_A.weight", "lora_B.weight"), ("lora_down.weight", "lora_up.weight", "alpha"),
        ("lora_a", "lora_b"), ("lora_A", "lora_B", "lora_E"), ("theta_A", "theta_B"),
        ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), ("lokr_w1", "lokr_w2"),
        ("lokr_w1_a", "lokr_w1_b", "lokr_w2"), ("lora.down.weight", "lora.up.weight"),
        ("linear_for_lora_A", "linear_for_lora_B"), ("lora_A.default.weight", "lora_B.default.weight"),
    ])  # fmt: skip
    before = rng.choice(["base_model.model.", "lora_unet_", "unet.", "transformer.", "diffusion_model.", "", "lora_te_", "base_model.model.model."])  # fmt: skip
    tensors = {}
    for _ in range(rng.randrange(1, 5)):
        middle = rng.choice(["layers.{}.self_attn.q_proj", "h.{}.attn.c_attn", "down_blocks.{}.attentions.0.to_q", "blocks.{}.qkv", "{}", "layer.{}." + word(rng)])  # fmt: skip
        path = before + middle.replace("{}", rng.choice(["0", "1", "2", "7", "9" * 20]), 1)
        path = path.replace(".", "_") if before.startswith("lora_") else path
        for part in spelled:
            shape = [] if part == "alpha" else [rng.choice([1, 2, 2, 4, 4, 12]) for _ in range(rng.choice([2, 2, 2, 2, 4]))]  # fmt: skip
            count = 1
            for n in shape:
                count *= n
            tensors[f"{path}.{part}"] = ("F32", shape, struct.pack(f"<{count}f", *(rng.uniform(-1, 1) for _ in range(count))))  # fmt: skip
    for path in [one for one in found if one.startswith("adapter/")]:
        if not path.endswith("config.json") or rng.random() < 0.5:
            del found[path]
    name = rng.choice(["adapter_model", "x", "pytorch_lora_weights", "adapters"])
    metadata = {"lora_adapter_metadata": json.dumps(value(rng))} if rng.random() < 0.2 else None
    found[f"adapter/{name}.safetensors"] = packed(tensors, metadata)


_OF_TENSORS: Mapping[str, Callable[[Random, bytes], bytes]] = {
    "octets": octets, "header": header, "names": names, "shapes": shapes, "numbers": numbers,
}  # fmt: skip
# How often each kind of change is made, and where.
_CHOICES = (
    ("octets", 2), ("header", 3), ("names", 4), ("shapes", 3), ("numbers", 4), ("settings", 7), ("files", 1),
    ("generated", 1),
)  # fmt: skip


def change(rng: Random, found: Files, of_base: float = 0.25) -> list[str]:
    """Change files in place, one to three times, the base's so often; what was done."""
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.choices([name for name, _ in _CHOICES], [often for _, often in _CHOICES])[0]
        part = "base" if rng.random() < of_base else "adapter"
        here = [
            path for path, one in found.items() if path.startswith(part) and isinstance(one, bytes)
        ]
        if kind == "generated":
            generated(rng, found)
            done.append(kind)
            continue
        wanted = ".json" if kind == "settings" else (".safetensors", ".bin", ".gguf")
        paths = [path for path in here if path.endswith(wanted)] or here
        if not paths or kind == "files":
            if found:
                files(rng, found)
            done.append("files")
            continue
        path = rng.choice(paths)
        content = found[path]
        assert isinstance(content, bytes)
        if kind == "settings":
            how = settings
        elif path.endswith(".gguf"):
            how = gguf
        else:
            how = pickled if path.endswith(".bin") and kind != "octets" else _OF_TENSORS[kind]
        try:
            found[path] = how(rng, content)
        except (ValueError, TypeError, RecursionError, OverflowError, struct.error):
            found[path] = octets(rng, content)  # an earlier change has left nothing to change so
        done.append(f"{kind} of {path}")
    return done
