"""JSON as editors, shells and Git leave it."""

import json
from pathlib import Path

import pytest

from lora_lens.errors import FileFormatError
from lora_lens.files.locate import read_json


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_of_unicode_are_read(tmp_path: Path, encoding: str) -> None:
    said = {"r": 4, "name": "ä"}
    (tmp_path / "x.json").write_bytes(json.dumps(said, ensure_ascii=False).encode(encoding))
    assert read_json(tmp_path / "x.json", FileFormatError) == said


@pytest.mark.parametrize(("octets", "message"), [
    (b'{"name": "\xe4"}', "not in UTF-8.*byte 10.*save it so"), (b" \n", "it is empty"), (b"", "it is empty"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS's pointer.*git lfs pull"),
    (b"[1]", "holds a JSON list, expected an object"), (b"{", "not readable JSON"),
])  # fmt: skip
def test_what_is_none_says_why(tmp_path: Path, octets: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(octets)
    with pytest.raises(FileFormatError, match=message):
        read_json(tmp_path / "x.json", FileFormatError)
