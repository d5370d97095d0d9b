"""Which files are an adapter's by their names, and what of them a folder holds, or folders below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..staging import end_moves
from .local_files import FindFile, LocalFiles
from .names import natural
from .not_files import not_a_file
from .peft_names import CONFIG

# The last are torchtune's, loralib's and LitGPT's.
ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".lora")
GGUF = ".gguf"  # llama.cpp's
# Of a file that is named itself, whatever it is called.
ALONE = (*ENDINGS, ".ckpt", GGUF)
PART = re.compile(r"-[0-9]{5}-of-([0-9]{5})\.\w+$")
_WHOLE = re.compile(r"(pytorch_|diffusion_pytorch_)?model\b")


@dataclass(frozen=True)
class Place:
    """Where an adapter's files are.

    Attributes:
        source: What results and messages call it.
        find: Its files, by name.
        file: The name of the one file that was asked for; None for a folder.
    """

    source: str
    find: FindFile
    file: str | None = None


def is_adapter(folder: Path, stems: Sequence[str]) -> bool:
    """Whether a folder holds an adapter: its configuration, or tensors of such a name, or what whoever opens these says is no file.

    What a killed process was moving there has been moved then.
    """
    end_moves(folder)
    names = [stem + ending for stem in stems for ending in ENDINGS]
    indices = [f"{name}.index.json" for name in names]
    paths = [folder / name for name in (CONFIG, *names, *indices)]
    return any(path.is_file() or not_a_file(path) for path in paths)


def is_part(name: str) -> bool:
    """Whether a file is one of several that hold an adapter together, by its name.

    Example:
        >>> is_part("adapter_model-00001-of-00002.safetensors"), is_part("lora-00001-of-00001.bin")
        (True, False)
    """
    part = PART.search(name)
    return part is not None and int(part[1]) > 1


def lone_files(folder: Path, ending: str = ".safetensors") -> list[Path]:
    """Files of tensors in a folder, whatever their names, as image models' adapters come.

    None in a folder with a configuration, an adapter's or a model's, and none that is a whole model by its name.

    Raises:
        FileFormatError: One is a link out of the folder.
    """
    if any((folder / name).exists() for name in (CONFIG, "config.json", "model_index.json")):
        return []
    if any(folder.glob("*.safetensors.index*.json")):  # shards
        return []
    files = [path for path in folder.glob(f"*{ending}") if path.is_file()]
    kept = [path for path in files if path.name[0] != "." and not _WHOLE.match(path.name)]
    find = LocalFiles(folder, within=True)
    return sorted(
        filter(None, (find(path.name) for path in kept)), key=lambda path: natural(path.name)
    )


def adapters_below(folder: Path, stems: Sequence[str]) -> Iterator[Path]:
    """Adapters one and two folders below, by name and number; no deeper, for it may be a whole disk."""
    for child in _folders(folder):
        if is_adapter(child, stems):
            yield child
        else:
            yield from (path for path in _folders(child) if is_adapter(path, stems))


def _folders(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    except OSError:  # not ours to look into
        return []
    return sorted(found, key=lambda path: natural(path.name))
