"""Where an adapter lies: a folder, one file, the only one in a folder, or a hub id."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..errors import AdapterError, BaseModelError, LensError
from ..printable import is_printable
from .held_factors import held_factors, what_to_do
from .hub_cache import snapshot_in
from .locate import HubFiles, json_of, user_path
from .names import natural
from .of_others import told, told_below, told_of
from .peft_names import CONFIG
from .revisions import full_commit
from .tensors import FindFile, LocalFiles, open_tensors

# The last are torchtune's, loralib's and LitGPT's.
ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".lora")
GGUF = ".gguf"  # llama.cpp's
# Of a file that is named itself, whatever it is called.
ALONE = (*ENDINGS, ".ckpt", GGUF)
WHOLE = ("model", "pytorch_model")  # what a whole model's weights are called
# owner/name, folders or a file within it, and a branch, tag or commit
_HUB_ID = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?P<within>(/[A-Za-z0-9][\w.-]*)*)"
    r"(@(?P<revision>[A-Za-z0-9][\w./-]*))?"
)
_WHOLE = re.compile(r"(pytorch_|diffusion_pytorch_)?model\b")
_PART = re.compile(r"-\d{5}-of-(\d{5})\.\w+$")
_MOST_NAMED = 6
_NONE = (
    ".",
    "optimizer",
    "scheduler",
    "scaler",
    "rng_state",
    "training_args",
)  # hidden, and what trainers keep beside adapters


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


def find_adapter(path: str | Path, stems: Sequence[str]) -> Place:
    """The place of the adapter that `path` means; see `load_adapter` for what it can be.

    Args:
        path: As typed.
        stems: What files with an adapter's tensors are called, without their endings.

    Raises:
        AdapterError: There is none, or there are several; the message lists them.
    """
    place = _place(path, stems)
    if not is_printable(place.source):
        raise AdapterError(
            f"the path {place.source!r} has characters that cannot be printed; rename the folder"
        )
    return place


def _place(path: str | Path, stems: Sequence[str]) -> Place:
    here = snapshot_in(user_path(path))
    if os.path.isdir(here):  # noqa: PTH112  (a name that is too long is no folder, not an error)
        return _in_folder(here, stems)
    if os.path.isfile(here):  # noqa: PTH113
        return _of_file(here, stems)
    hub = hub_id(path)
    if hub is None:
        raise AdapterError(
            f"{here} is not a folder; expected one with {CONFIG}, an adapter's file, or a hub id"
        )
    within, _, file = hub.within.rpartition("/")
    if file.endswith(ALONE) and not is_part(file):
        return Place(str(path), replace(hub, within=within), file)
    return Place(str(path), hub)


def hub_id(path: str | Path) -> HubAdapter | None:
    """The files of ``owner/name[/folder][@revision]`` on the hub; None where `path` is no such id.

    What begins with a folder of this machine is a path that leads nowhere, and no hub id.
    """
    match = _HUB_ID.fullmatch(str(path))
    if match is None or ".." in str(path) or os.path.isdir(match["id"].split("/")[0]):  # noqa: PTH112
        return None
    return HubAdapter(match["id"], match["within"].strip("/"), match["revision"])


@dataclass(frozen=True)
class HubAdapter:
    """Files of an adapter on the hub, by name; downloaded where they are not in the cache.

    The adapter was named by the user, who thereby allows it.
    """

    repository: str
    within: str
    revision: str | None

    @cached_property
    def _files(self) -> HubFiles:
        commit = full_commit(self.repository, self.revision)
        return HubFiles(self.repository, True, commit, "adapter")

    @property
    def unreached(self) -> list[str]:
        """As of `HubFiles`."""
        return self._files.unreached

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none."""
        name = f"{self.within}/{name}" if self.within else name
        try:
            return self._files(name)
        except BaseModelError as error:
            raise AdapterError(str(error)) from None


def _of_opendelta(folder: Path) -> str:
    """The α that OpenDelta's configuration says, as it has to be said; empty where it is none of LoRA's."""
    try:
        said = json_of((folder / "config.json").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(said, dict) or said.get("delta_type") != "lora":
        return ""
    return json.dumps({"lora_alpha": said.get("lora_alpha")})


def _in_folder(folder: Path, stems: Sequence[str]) -> Place:
    if is_adapter(folder, stems):
        return Place(str(folder), LocalFiles(folder, within=True))
    found = list(_below(folder, stems))
    if len(found) == 1:
        return Place(str(found[0]), LocalFiles(found[0], within=True))
    alone = lone_files(folder) or lone_files(folder, GGUF) if not found else []
    if len(alone) == 1:
        return Place(str(alone[0]), LocalFiles(folder, within=True), alone[0].name)
    if alone:
        of_many = (
            ""
            if alone[0].suffix == GGUF
            else ", or ask about all that are adapters by `lora-lens matrix`"
        )
        raise AdapterError(
            f"{folder} holds {len(alone)} files of tensors, {_some([file.name for file in alone])}: name one of "
            f"them{of_many}"
        )
    if not found:
        whole = model_file(folder)
        if whole and (alpha := _of_opendelta(folder)):
            raise AdapterError(
                f"{folder} holds OpenDelta's LoRA: put {alpha} into {CONFIG} beside {whole}, and name that file"
            )
        if whole and (factors := held_factors(files := _tensors_in(folder))):
            raise AdapterError(f"{folder} {what_to_do(factors, files)}")
        if whole:
            raise AdapterError(
                f"{folder} is no adapter: it holds a whole model, and no {CONFIG}; of one that was tuned in full `lora-lens "
                f"spectrum`, `compare` and others take ΔW, with --base the model that it was tuned from{told_of(folder)}"
            )
        raise AdapterError(f"{folder} is no adapter: it holds no {CONFIG}{told_instead(folder)}")
    names = [str(path.relative_to(folder)) for path in found]
    run = all(path.name.startswith("checkpoint-") for path in found)
    kind, command = ("checkpoints", "dynamics") if run else ("adapters", "matrix")
    raise AdapterError(
        f"{folder} holds {len(names)} {kind}, {_some(names)}: name one of "
        f"them, or ask about all by `lora-lens {command}`"
    )


def told_instead(folder: Path) -> str:
    """What a folder without an adapter's own file of tensors holds in its place, as the rest of a sentence; empty where nothing tells."""
    return told_below(folder) or _pickled(folder)


def _pickled(folder: Path) -> str:
    """Files that PyTorch may have saved tensors in, of which none is opened unasked, as the rest of a sentence; empty where none is."""
    endings = tuple(ending for ending in ALONE if ending not in (".safetensors", GGUF))
    try:
        names = sorted((path.name for path in folder.iterdir() if path.is_file()), key=natural)
    except OSError:  # not ours to look into
        return ""
    found = [name for name in names if name.endswith(endings) and not name.startswith(_NONE)]
    return f"; if one is in {_some(found)}, name that file" if found else ""


def find_model(path: str | Path, stems: Sequence[str]) -> Place | None:
    """The place of a whole model where `path` means one, and no adapter there or below.

    Args:
        path: As typed: a folder, its file of weights, or a hub id, of which files may be downloaded.
        stems: What files with an adapter's tensors are called, without their endings.
    """
    here = snapshot_in(user_path(path))
    if os.path.isfile(here) and here.name in _model_files():  # noqa: PTH113
        here = here.parent
    if os.path.isdir(here):  # noqa: PTH112
        if is_adapter(here, stems) or not model_file(here) or _of_opendelta(here):
            return None
        return None if any(_below(here, stems)) else Place(str(here), LocalFiles(here))
    hub = None if os.path.isfile(here) else hub_id(path)  # noqa: PTH113
    if hub is None or hub.within.endswith(ALONE) or hub(CONFIG) or not hub("config.json"):
        return None
    return Place(str(path), hub) if any(map(hub, _model_files())) else None


def model_file(folder: Path) -> str:
    """The file of a whole model in a folder, or the index of its parts; empty where there is none."""
    return next((name for name in _model_files() if (folder / name).is_file()), "")


def _tensors_in(folder: Path) -> Mapping[str, str]:
    """Each of a whole model's tensors to its file; none where they cannot be opened, which is for whoever reads them to say."""
    try:
        tensors = open_tensors(str(folder), LocalFiles(folder), WHOLE, ENDINGS)
    except LensError:
        return {}
    return tensors.files if tensors else {}


def _model_files() -> Iterator[str]:
    for stem in WHOLE:
        for ending in ENDINGS:
            yield f"{stem}{ending}"
            yield f"{stem}{ending}.index.json"


def is_adapter(folder: Path, stems: Sequence[str]) -> bool:
    """Whether a folder holds an adapter: its configuration, or tensors of such a name."""
    names = [stem + ending for stem in stems for ending in ENDINGS]
    indices = [f"{name}.index.json" for name in names]
    return any((folder / name).is_file() for name in (CONFIG, *names, *indices))


def is_part(name: str) -> bool:
    """Whether a file is one of several that hold an adapter together, by its name.

    Example:
        >>> is_part("adapter_model-00001-of-00002.safetensors"), is_part("lora-00001-of-00001.bin")
        (True, False)
    """
    part = _PART.search(name)
    return part is not None and int(part[1]) > 1


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


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


def _below(folder: Path, stems: Sequence[str]) -> Iterator[Path]:
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


def _of_file(file: Path, stems: Sequence[str]) -> Place:
    if file.name == CONFIG or file.name.endswith(".index.json"):
        return _in_folder(file.parent, stems)
    if file.suffix not in ALONE:
        if what := told(file.name):
            raise AdapterError(f"{file} is {what}")
        raise AdapterError(
            f"{file} is no adapter: expected a folder with {CONFIG}, or a file of tensors: {', '.join(ALONE)}"
        )
    if is_part(file.name):
        raise AdapterError(
            f"{file} is one of several parts, which are read together: name their folder, in which an index "
            f"({_PART.sub('', file.name)}{file.suffix}.index.json) says which holds what"
        )
    return Place(str(file), LocalFiles(file.parent, file.name, within=True), file.name)
