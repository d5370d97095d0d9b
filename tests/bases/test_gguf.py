"""GGUF bases: W0 is what transformers makes of the same file, rows of query and key included."""

import contextlib
import os
import pickle
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import random
from numpy.typing import NDArray
from second_routes import in_transformers_5

from lora_lens import open_base
from lora_lens.bases.quantised.gguf_header import check_header
from lora_lens.bases.quantised.gguf_names import ARCHITECTURES, transformers_name
from lora_lens.errors import BaseModelError, FileFormatError

HIDDEN, HEADS, GROUPS, SIZE, INNER, TOKENS, LAYERS = 64, 4, 2, 16, 96, 32, 2
SHAPES = {
    "attn_q": (HEADS * SIZE, HIDDEN), "attn_k": (GROUPS * SIZE, HIDDEN), "attn_v": (GROUPS * SIZE, HIDDEN),
    "attn_output": (HIDDEN, HEADS * SIZE), "ffn_gate": (INNER, HIDDEN), "ffn_up": (INNER, HIDDEN),
    "ffn_down": (HIDDEN, INNER),
}  # fmt: skip
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:  # noqa: C901
    gguf = pytest.importorskip("gguf")

    def of(architecture: str, kind: str, *, heads: Any = HEADS, image: Any = None) -> Path:
        path = tmp_path / f"{architecture}-{kind}.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_block_count(LAYERS)
        writer.add_context_length(32)
        writer.add_embedding_length(HIDDEN)
        writer.add_feed_forward_length(INNER)
        writer.add_head_count(heads)
        writer.add_head_count_kv(GROUPS)
        writer.add_key_length(SIZE)
        writer.add_value_length(SIZE)
        writer.add_vocab_size(TOKENS)
        writer.add_rope_freq_base(1e4)
        writer.add_layer_norm_rms_eps(1e-6)
        type_of = getattr(gguf.GGMLQuantizationType, kind)

        def add(name: str, numbers: NDArray[Any]) -> None:
            writer.add_tensor(name, gguf.quants.quantize(numbers, type_of), raw_dtype=type_of)

        def plain(name: str, size: int) -> None:
            writer.add_tensor(name, np.linspace(0.5, 1, size, dtype=np.float32))

        if image is not None:
            for name, numbers in image.items():
                add(name, numbers)
        else:
            for name in ("token_embd", "output"):
                add(f"{name}.weight", random(TOKENS, HIDDEN, seed=3).numpy())
            plain("output_norm.weight", HIDDEN)
            for layer in range(LAYERS):
                for seed, (name, shape) in enumerate(SHAPES.items()):
                    add(
                        f"blk.{layer}.{name}.weight", random(*shape, seed=10 * layer + seed).numpy()
                    )
                for name, size in (("attn_norm", HIDDEN), ("ffn_norm", HIDDEN), ("attn_q_norm", SIZE),
                                   ("attn_k_norm", SIZE)):  # fmt: skip
                    plain(f"blk.{layer}.{name}.weight", size)
                for name in ("attn_q", "attn_k", "attn_v"):
                    plain(f"blk.{layer}.{name}.bias", SHAPES[name][0])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return of


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
@in_transformers_5
def test_w0_is_transformers_own(write: Write, architecture: str, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    path = write(architecture, kind)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    own: Mapping[str, torch.Tensor] = model.state_dict()
    base = open_base(str(path))
    assert base.model_type == architecture
    matrices = [name for name, one in own.items() if one.ndim == 2]
    assert len(matrices) == 2 + LAYERS * len(SHAPES)
    for name in matrices:
        assert torch.equal(base.weight(name.removesuffix(".weight")), own[name]), name
    moved = base.weight("model.layers.1.self_attn.q_proj")
    sent = pickle.loads(pickle.dumps(base))
    assert torch.equal(sent.weight("model.layers.1.self_attn.q_proj"), moved)


def test_a_file_written_to_meanwhile_is_refused(write: Write) -> None:
    path = write("llama", "F32")
    base = open_base(str(path))
    before = base.weight("model.layers.1.self_attn.q_proj")
    with path.open("r+b") as file:
        file.seek(-4, 2)
        file.write(bytes(4))
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))  # whatever the clock is
    with pytest.raises(FileFormatError, match="was written to while it was read"):
        base.weight("model.layers.0.self_attn.q_proj")
    assert before.isfinite().all()


def test_names_are_the_librarys(write: Write) -> None:
    gguf = pytest.importorskip("gguf")
    archs = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    for name in ARCHITECTURES:
        known = gguf.get_tensor_name_map(archs[name], LAYERS)
        for module in (*SHAPES, "token_embd", "output"):
            mine = f"blk.1.{module}" if module in SHAPES else module
            theirs = transformers_name(f"{mine}.weight")
            assert theirs is not None
            found = known.get_name(theirs.removesuffix(".weight"))
            tied = name.startswith("gemma") and module == "output"  # some list none
            assert found == mine or (tied and found is None), (name, module)


def test_an_image_models_keep_their_names(write: Write) -> None:
    qkv, up = random(96, 32, seed=1).numpy(), random(64, 32, seed=2).numpy()
    names = {"double_blocks.0.img_attn.qkv.weight": qkv, "single_blocks.0.linear2.weight": up}
    base = open_base(str(write("flux", "F32", image=names)))
    found = base.weight("transformer.transformer_blocks.0.attn.to_k")
    assert torch.equal(found, torch.from_numpy(qkv[32:64]))
    assert torch.equal(base.weight("unet.single_blocks.0.linear2"), torch.from_numpy(up))


def test_what_is_not_known_is_refused(write: Write) -> None:
    with pytest.raises(BaseModelError, match="of the architecture 'falcon', expected one of llama"):
        open_base(str(write("falcon", "F32")))
    with pytest.raises(BaseModelError, match=r"head_count \[4, 4\].*expected whole numbers"):
        open_base(str(write("llama", "F32", heads=[4, 4])))
    odd = open_base(str(write("llama", "F16", heads=3)))
    with pytest.raises(BaseModelError, match="gguf cannot make"):
        odd.weight("model.layers.0.self_attn.q_proj")


@pytest.mark.parametrize("size", [0, 3, 40, 400, 4000])
def test_a_file_that_is_cut_short_is_said(write: Write, size: int) -> None:
    path = write("llama", "F32")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FileFormatError, match="is not a whole GGUF file"):
        open_base(str(path))


def test_without_the_library_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    (tmp_path / "Llama-3.2-1B-Q4_0.gguf").write_bytes(b"GGUF")
    with pytest.raises(BaseModelError, match=r"is GGUF: pip install .*unquantised model"):
        open_base(str(tmp_path / "Llama-3.2-1B-Q4_0.gguf"))


def test_changed_bytes_give_a_weight_or_an_error(write: Write) -> None:
    path = write("llama", "Q8_0")
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    read = 0
    for _ in range(60):
        changed = bytearray(content)
        for place in generator.integers(0, 1500, 3):  # of the header
            changed[place] = generator.integers(256)
        path.write_bytes(changed)
        with contextlib.suppress(FileFormatError, BaseModelError):
            open_base(str(path)).weight("model.layers.0.self_attn.q_proj")
            read += 1
    assert 0 < read < 60


def _header(values: bytes, tensors: int = 0, count: int = 1) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + values


def _field(kind: int, rest: bytes, name: bytes = b"k") -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + rest


WORD, ARRAY, SMALL = 8, 9, 0
HEADERS = {
    "values without end": (_header(_field(4, b"1234"), count=2**40), "ends within its header"),
    "tensors without end": (_header(b"", 2**40, 0), "ends within its header"),
    "an array without end": (
        _header(_field(ARRAY, struct.pack("<IQ", WORD, 2**22))),
        "ends within its header",
    ),
    "an array larger than any": (
        _header(_field(ARRAY, struct.pack("<IQ", SMALL, 2**40))),
        "expected at most",
    ),
    "arrays in arrays": (
        _header(_field(ARRAY, struct.pack("<IQ", ARRAY, 1) * 50)),
        "a value of the type 9",
    ),
    "numbers behind the end": (
        _header(_field(ARRAY, struct.pack("<IQ", 10, 2**20))),
        "bytes are said to follow",
    ),
    "a word behind the end": (
        _header(_field(WORD, struct.pack("<Q", 2**20))),
        "a name of|said to follow",
    ),
    "a long name": (_header(_field(4, b"1234", b"k" * 2000)), "a name of 2,000 letters"),
    "no known type": (_header(_field(77, b"")), "the type 77"),
    "many axes": (_header(struct.pack("<QI", 0, 2**31), 1, 0), "axes"),
    "from the highest byte": (
        b"GGUF" + struct.pack(">IQQ", 3, 2**40, 0),
        "ends within its header",
    ),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_counts_that_do_not_go_with_the_files_size(kind: str, tmp_path: Path) -> None:
    """Forty bytes would keep the library for ever, or take all memory."""
    pytest.importorskip("gguf")
    content, why = HEADERS[kind]
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(FileFormatError, match=why):
        open_base(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize(("tensors", "count"), [(2**16 + 1, 0), (0, 2**16 + 1)])
def test_more_names_than_any_file_has(tensors: int, count: int, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    settings = b"".join(_field(4, b"1234", b"%x" % k) for k in range(count))
    names = (struct.pack("<Q", 5) + b"%05x" % k for k in range(tensors))
    path.write_bytes(
        _header(settings, tensors, count)
        + b"".join(name + struct.pack("<IQIQ", 1, 0, 0, 0) for name in names)
    )
    with pytest.raises(FileFormatError, match=r"more than 65,536 (tensors|settings), expected"):
        check_header(path)


@pytest.mark.parametrize("by", [0, 32, -32, 4])
def test_tensors_on_the_same_bytes_are_refused(by: int, write: Write) -> None:
    path = write("llama", "F32")
    open_base(str(path))
    one, other = pytest.importorskip("gguf").GGUFReader(path).tensors[-2:]
    parts = other.field.parts
    content = bytearray(path.read_bytes())
    place = other.field.offset + sum(part.nbytes for part in parts[:-1])
    assert struct.unpack_from("<Q", content, place)[0] == parts[-1][0]
    first = int(one.field.parts[-1][0])
    struct.pack_into("<Q", content, place, max(0, first + by))
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="lie on the same bytes"):
        open_base(str(path))


def test_a_whole_header_is_walked_to_its_end(write: Write) -> None:
    path = write("llama", "Q8_0")
    check_header(path)
    walked = path.read_bytes()
    data = pytest.importorskip("gguf").GGUFReader(path).data_offset
    path.write_bytes(walked[:data])
    check_header(path)
    path.write_bytes(walked[: data - 64])
    with pytest.raises(FileFormatError):
        check_header(path)
