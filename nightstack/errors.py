"""Exit statuses, and which error leads to which."""

from __future__ import annotations

import errno

DONE = 0
FAILED = 1
BAD_INPUT = 2
STOPPED = 130  # by Ctrl-C: 128 + SIGINT, as shells have it
#: Of longer words (paths, mostly) an error tells both ends.
LONGEST_WORD = 300


class CommandError(Exception):
    """The work failed: one line that says what, where and what to do. Exit status 1."""

    exit_status = FAILED


class InputError(CommandError):
    """Arguments, settings or input files are wrong. Exit status 2."""

    exit_status = BAD_INPUT


class StoppedError(CommandError):
    """Somebody ended the work: Ctrl-C, a closed terminal, a service manager. Exit status 130."""

    exit_status = STOPPED


# Errors of the rooms that mean "the input is wrong", by class name so that a command which never touches a room
# need not import it either (importing localization costs a second).
_INPUT_ERRORS = frozenset(
    {
        "RecordingError",
        "PayloadError",
        "PlanError",
        "HoldingsError",
        "CallNumberError",
        "LibraryError",
        "ConfigError",
        "ServeError",
        "SettingsError",
        "SimError",
        "ExceptionsError",
        "EvaluationError",
        "SpoolError",
        "PositionsError",
        "CalibrationError",
        "NightsError",
        "IlsSettingsError",
        "AuditError",
        "LedgerError",
        "MemoryFileError",
    }
)


def exit_status(error: BaseException) -> int | None:
    """Exit status for an error that a user can act on; None for one of ours (a bug).

    Parameters
    ----------
    error
        What a command raised.

    Returns
    -------
    int or None
        2 for wrong input, 1 for failed work, None where the error is no message for a user.
    """
    if isinstance(error, CommandError):
        return error.exit_status
    if any(cls.__name__ in _INPUT_ERRORS for cls in type(error).__mro__):
        return BAD_INPUT
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | FileExistsError):
        return BAD_INPUT
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return BAD_INPUT
    if isinstance(error, OSError):  # ReaderError, MailError, sockets, disks
        return FAILED
    return None


def one_line(error: BaseException) -> str:
    """Make the text of an error fit one line.

    Parameters
    ----------
    error
        Any exception.

    Returns
    -------
    str
        Its text without line breaks, words of endless length cut; for an ``OSError`` with a file, ``file: reason``.
    """
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror.lower()}"
    else:
        text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text += "; free some, or name another place with --out"
    # File names may hold bytes that are no text, which no terminal can show.
    text = text.encode("utf-8", "backslashreplace").decode()
    return " ".join(_cut(word) for word in text.split())


def _cut(word: str) -> str:
    return (
        word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD // 2]}...{word[-LONGEST_WORD // 2 :]}"
    )
