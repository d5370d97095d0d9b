"""Where an adapter lies → its files, opened: by itself, or in a folder within another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..adapter import Adapter
from ..bases.quantised.gguf_file import open_gguf_adapter
from ..errors import AdapterError, LensError
from ..files.adapter_places import find_adapter, told_instead
from ..files.adapters_in import ENDINGS, GGUF, Place, is_part
from ..files.hub_adapters import HubAdapter
from ..files.json_files import read_json
from ..files.local_files import FindFile, LocalFiles
from ..files.mapped import version_of
from ..files.not_files import not_a_file
from ..files.peft_names import CONFIG, WEIGHTS
from ..files.tensors import TensorStore, open_file, open_tensors
from ..files.whole_models import find_model, open_whole
from ..ledger import reads
from .adapter_files import AdapterFiles

_MOST_NAMED = 6
_PEFTS = "adapter_model"  # what PEFT calls its file


def open_adapter(path: str | Path, base: str | Path | None = None) -> AdapterFiles:
    """Open the adapter at `path`; see `load_adapter` for what that and `base` can be.

    Raises:
        AdapterError: There is none, or its configuration is broken.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    stems = all_stems()
    place = find_adapter(path, stems)
    config_file = place.find(CONFIG)
    version = version_of(config_file) if config_file else None
    if place.file is None and isinstance(place.find, LocalFiles):
        reads(place.find.folder)
    if config_file:
        reads(config_file)
    config = read_json(config_file, AdapterError) if config_file else {}
    tensors = _tensors(place, stems, config)
    if tensors is None or (
        not config_file and WEIGHTS in {Path(one).name for one in tensors.files.values()}
    ):
        _check_reached(place)
    if tensors is None:
        raise AdapterError(
            f"{place.source} holds no {' or '.join(f'{stem}.safetensors' for stem in stems)} (nor .bin){_others(config_file)}"
            if config_file
            else f"{place.source} is no adapter: it holds no {CONFIG}{_on_the_hub(place)}"
        )
    return AdapterFiles(
        place.source,
        config,
        config_file,
        tensors,
        str(base) if base else None,
        find=place.find,
        config_version=version,
    )


def open_tuned(path: str | Path, base: str | Path) -> AdapterFiles | None:
    """Open the whole model at `path` as what `base` was tuned to; None where there is none, or an adapter.

    Raises:
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    place = find_model(path, all_stems())
    if place is None:
        return None
    if isinstance(place.find, LocalFiles):
        reads(place.find.folder)
    tensors = open_whole(place)
    if tensors is None:
        return None
    config_file = place.find("config.json")
    said = read_json(config_file, AdapterError) if config_file else {}
    return AdapterFiles(
        place.source, said, None, tensors, str(base), find=place.find, whole_model=True
    )


def adapter_files(adapter: Adapter) -> AdapterFiles | None:
    """The files that an adapter, or a model that was tuned in full, was read from; None for one in memory.

    Raises:
        AdapterError: There are none any more.
        FileFormatError: Their tensors are truncated, corrupt or unsafe.
    """
    if adapter.live is not None:
        return None
    base = None if adapter.modules else adapter.base_model
    tuned = None if base is None else open_tuned(adapter.source, base)
    return tuned or open_adapter(adapter.source)


def _check_reached(place: Place) -> None:
    """What the cache has not is missing only where the hub could be asked for it."""
    if isinstance(place.find, HubAdapter) and place.find.unreached:
        raise AdapterError(
            f"{place.source}: {place.find.unreached[0]} is not in the hub's cache, where other files of it are, and the hub could "
            f"not be reached; download it where there is a network{_on_the_hub(place)}"
        )


def _on_the_hub(place: Place) -> str:
    """How one file of a repository is named, which image models' adapters are."""
    if not isinstance(place.find, HubAdapter):
        return ""
    return f"; one of its files is named by {place.find.repository}/FILE.safetensors"


def _others(config_file: Path) -> str:
    """What else of tensors lies beside a configuration, which may be meant: ``adapter_model.fp16.safetensors``."""
    folder = config_file.parent
    paths = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("adapter*.bin"))
    names = [path.name for path in paths if path.is_file()][:_MOST_NAMED]
    if not names and paths:
        what = not_a_file(paths[0], folder=True) or "a link that leads nowhere"
        return f"; {paths[0].name} there is no file, but {what}"
    if not names:
        return told_instead(folder)
    if all(map(is_part, names)):
        return f", but parts of it, {', '.join(names)}, without the index that says what each holds: copy that too"
    return f", but {', '.join(names)}: if that is the adapter's, name the file itself"


def stands_alone(file: Path) -> bool:
    """Whether a file of any name is an adapter by itself; one that cannot be opened is for whoever reads it to say."""
    from . import FORMATS

    try:
        files = open_adapter(file)
    except LensError:
        return True
    return any(each.matches(files) for each in FORMATS)


def open_within(files: AdapterFiles, folder: str) -> AdapterFiles | None:
    """Another adapter, in a folder of that name within the folder of this one, whose numbers are made by both; None where there is none.

    Raises:
        AdapterError: Its configuration is broken.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """

    def find(name: str) -> Path | None:
        return files.find(f"{folder}/{name}")

    source = f"{folder} of {files.source}"
    config_file = find(CONFIG)
    version = version_of(config_file) if config_file else None
    config = read_json(config_file, AdapterError) if config_file else {}
    tensors = _usual(source, find, all_stems(), (".safetensors", ".bin"), config)
    if tensors is None:
        return None
    found = AdapterFiles(
        source, config, config_file, tensors, files.base_given, find=find, config_version=version
    )
    files.also.update(found.read_from)
    return found


def all_stems() -> tuple[str, ...]:
    """What files with an adapter's tensors are called in any of the formats, without their endings."""
    from . import FORMATS

    return tuple(dict.fromkeys(stem for each in FORMATS for stem in each.stems))


def _tensors(
    place: Place, stems: Sequence[str], config: Mapping[str, object]
) -> TensorStore | None:
    path = place.find(place.file) if place.file else None
    if place.file and not path:
        raise AdapterError(f"{place.source}: there is no such file in the hub's repository")
    if path and path.suffix.lower() == GGUF:
        return open_gguf_adapter(path)
    if place.file and path:
        return open_file(place.source, path, place.file, place.find)
    return _usual(place.source, place.find, stems, ENDINGS, config)


def _usual(
    source: str,
    find: FindFile,
    stems: Sequence[str],
    endings: tuple[str, ...],
    config: Mapping[str, object],
) -> TensorStore | None:
    """Of the usual names; where the configuration is PEFT's, of PEFT's own first, whatever other format's file lies beside."""
    own = open_tensors(source, find, (_PEFTS,)) if config.get("peft_type") is not None else None
    return own or open_tensors(source, find, tuple(stems), endings)
