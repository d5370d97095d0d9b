"""JSON as editors, shells and Git leave it."""

import json
from pathlib import Path

import pytest

from lora_lens.errors import FileFormatError
from lora_lens.files.json_files import object_in, read_json


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_stands_beside_an_adapter_is_read_in_the_same_encodings(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "x.json").write_bytes('{"moe_rank_scaling": true, "of": "ä"}'.encode(encoding))
    assert object_in(tmp_path / "x.json") == {"moe_rank_scaling": True, "of": "ä"}


@pytest.mark.parametrize(
    "octets", [b"", b"[1]", b"{", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_what_is_no_object_beside_an_adapter_says_nothing(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "x.json").write_bytes(octets)
    assert object_in(tmp_path / "x.json") == object_in(tmp_path) == object_in(None) == {}
    (tmp_path / "x.json").write_bytes(b'{"of": "\xe4", "r": 8}')  # Latin-1
    assert object_in(tmp_path / "x.json")["r"] == 8
