"""What a file is by its first bytes, where it is none of what its name says."""

from __future__ import annotations

LOOKED_AT = 512
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
OF_LFS = "Git LFS's pointer to a file, not the file; run git lfs pull, or download it"
_MOST_HEADER = 100_000_000  # bytes, which safetensors allows
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")
_TAR = slice(257, 262)


def told_by_content(first: bytes, ending: str) -> str | None:
    """What a file is, and what to do; None where its first bytes do not tell.

    Args:
        first: Its first bytes, `LOOKED_AT` of them where it has as many.
        ending: Of its name.

    Example:
        >>> told_by_content(b"GGUF", ".safetensors")
        'GGUF by another name; rename it to end with .gguf'
        >>> told_by_content(b"GGUF", ".gguf") is None
        True
    """
    found = (said for fits, said in _kinds(first, ending) if fits)
    return next(found, None)


def _kinds(first: bytes, ending: str) -> list[tuple[bool, str]]:
    safetensors = first[8:9] == b"{" and int.from_bytes(first[:8], "little") <= _MOST_HEADER
    page = first.lstrip().lower().startswith(_PAGES)
    return [
        (not first and ending != ".safetensors", "empty, 0 bytes; copy or download it again"),
        (
            safetensors and ending != ".safetensors",
            "a safetensors file by another name; rename it to end with .safetensors",
        ),
        (
            first[:4] == b"PK\x03\x04" and ending == ".safetensors",
            "an archive, as PyTorch's own files are, and no safetensors file; if PyTorch wrote it, rename it to end with .bin, "
            "else unpack it",
        ),
        (
            first[:4] == b"GGUF" and ending != ".gguf",
            "GGUF by another name; rename it to end with .gguf",
        ),
        (
            first[:4] == b"algg",
            "an adapter of llama.cpp's of before GGUF (ggla); take PEFT's files that it was made of",
        ),
        (first[:2] == b"\x1f\x8b", "compressed by gzip; unpack it"),
        (first[_TAR] == b"ustar", "a tar archive; unpack it, and name the folder"),
        (
            first[:4] == b"\x89HDF",
            "HDF5, Keras's or TensorFlow's, by another name; no HDF5 is read",
        ),
        (
            first[:1] == b"\n" and ending == ".ckpt" and not page,
            "MindSpore's, by its first bytes; mindspore.ckpt_to_safetensors makes a file of it that is read",
        ),
        (page, "a web page, as a download that failed leaves it; download the file again"),
    ]
