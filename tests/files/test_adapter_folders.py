from pathlib import Path

import pytest
from checkpoints import BertLike, write_config, write_lora
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.errors import AdapterError, FileFormatError
from lora_lens.files.adapter_folders import distinguishing_names, find_adapters


def test_folders_are_searched_and_numbers_count_as_numbers(tmp_path: Path) -> None:
    for name in ("rte/seed-10", "rte/seed-2", "mrpc/seed-1/deep", ".hidden/x", "rte/notes"):
        write_config(tmp_path / name, base=None)
    (tmp_path / "rte/notes/adapter_config.json").unlink()
    write_lora(tmp_path / "rte/seed-2/checkpoint-5", BertLike(layers=1))
    found = [str(path.relative_to(tmp_path)) for path in find_adapters([tmp_path])]
    assert found == ["mrpc/seed-1/deep", "rte/seed-2", "rte/seed-10"]


def test_links_back_up_end_and_one_folder_is_taken_once(tmp_path: Path) -> None:
    write_config(tmp_path / "a", base=None)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    assert len(find_adapters([tmp_path, tmp_path / "a"])) == 1


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no adapter in or under"):
        find_adapters([tmp_path])
    with pytest.raises(AdapterError, match="is not a folder"):
        find_adapters([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["r/rte/s1/best", "r/mrpc/s1/best"], ("rte", "mrpc")),
        (["r/rte/s1", "r/mrpc/s2", "r/rte/s2"], ("rte/s1", "mrpc/s2", "rte/s2")),
        (["r/a", "r/a/b"], ("a", "a/b")),
        (["r/x/a", "r/y/z/a"], ("x", "y/z")),
        (["a", "./a", "b"], ("a", "a (2)", "b")),
        (["a"], ("a",)),
        (
            ["/home/somebody/work/lora_lens/demo/lora", "/tmp/run/checkpoints/checkpoint-5", "/tmp/run"],
            ("lora", "checkpoint-5", "run"),
        ),
        (
            [f"/data/{x}/of/long/standing/somewhere/else/best" for x in ("mrpc/a", "rte/a")]
            + ["/scratch/mrpc/best"],
            ("mrpc/a/of/long/standing/somewhere/else/best", "rte/a/of/long/standing/somewhere/else/best", "scratch/mrpc/best"),
        ),
    ],
)  # fmt: skip
def test_names(paths: list[str], names: tuple[str, ...]) -> None:
    assert distinguishing_names(paths) == names


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=2, unique_by=tuple)
)
def test_names_of_different_paths_differ_and_are_parts_of_them(paths: list[list[str]]) -> None:
    names = distinguishing_names(["/".join(parts) for parts in paths])
    assert len(set(names)) == len(paths)
    assert all(set(name.split("/")) <= set(parts) for name, parts in zip(names, paths, strict=True))


def test_a_lone_file_that_is_a_link_out_of_its_folder_is_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "else.safetensors").write_bytes(b"x")
    (folder / "one.safetensors").symlink_to(tmp_path / "else.safetensors")

    def opened(file: Path) -> bool:
        raise AssertionError(file)

    with pytest.raises(FileFormatError, match="outside its folder; refusing to follow it"):
        find_adapters([folder], (), opened)
