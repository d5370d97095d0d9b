"""What can go wrong, said in one line: what was found, what was expected, what to do."""

from .printable import one_line


class LensError(Exception):
    """Base of every error that lora-lens raises on purpose; its message is one line for a person.

    Whatever names of strangers were put into it: it is cut to a line, and does nothing to a terminal.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class AdapterError(LensError, ValueError):
    """The folder is no adapter, its files do not agree, or its method would be misread."""


class BaseModelError(LensError, ValueError):
    """The base model is not found, or does not fit the adapter."""


class FileFormatError(LensError, ValueError):
    """A tensor file is truncated, corrupt, unsafe, or its index leaves its folder."""


class ModuleLookupError(LensError, LookupError):
    """The adapter has no such module; the message lists those it has."""


class ResultLookupError(LensError, KeyError):
    """The result has no such matrix or null; the message lists those it has."""

    def __str__(self) -> str:
        # KeyError's own puts its message in quotes, as if it were the key.
        return one_line(BaseException.__str__(self))


class RankError(LensError, ValueError):
    """More singular vectors were asked for than the matrix has; the message names its rank."""


class SingularError(LensError, ValueError):
    """W0 has no usable inverse under the convention asked for."""


class DataError(LensError, ValueError):
    """A data file is missing, a row of it is not what the task expects, or it is another than a score was made of."""


class DivergedError(LensError, ArithmeticError):
    """A model's answers are no finite numbers any more: its training has diverged."""


class RecordError(LensError, ValueError):
    """A record of a run, of a search or of a step of an experiment is missing or broken, or a later lora-lens wrote it."""


class OutputError(LensError, OSError):
    """The output cannot be written there."""


class RefusedOutputError(OutputError):
    """The output would be written over, or into, what is read, or is a report by a name that does not end in .html."""


class MissingExtraError(LensError, ImportError):
    """An optional part of lora-lens is not installed; the message says the pip line."""


class SettingsError(LensError, ValueError):
    """Settings of a run that do not go together, or a configuration file that says what is not known."""
