"""What a person may be shown when something goes wrong.

Every failure that reaches a screen, a terminal or a JSON file is a `QdashError`: one sentence that names the bad value, one
that says what to do, and a stable `kind` for programs. Anything else is a bug and is reported as such, without its traceback.
"""

from typing import Literal

ErrorKind = Literal[
    "bad_input",  # the request cannot be run as written
    "unavailable",  # the scheme or model cannot run on this machine
    "checkpoint",  # the files of the model are missing, corrupt or unsafe
    "not_finite",  # the model computes NaN or infinities
    "download",  # the hub could not be reached or refused
    "out_of_memory",  # device or host memory ran out
    "worker_died",  # the worker process ended without an answer
    "cancelled",  # a person pressed Stop
    "internal",  # a bug in qdash
]

INSTALL_AGAIN = "Install the requirements again: pip install -r requirements.txt, in the folder of qdash's source."
"""The remedy for a package that is missing, though it is among the requirements."""

CHOOSE_ANOTHER = "Choose another scheme or model; this server does not have what this one needs."
"""The same for visitors of a public page, who cannot install anything."""


class QdashError(Exception):
    """A failure a person can act on.

    `message` names what happened and the value at fault; `remedy` says what to try. Both are plain text, not markup.
    """

    def __init__(self, message: str, remedy: str, kind: ErrorKind = "bad_input") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.kind: ErrorKind = kind

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def __reduce__(self) -> tuple[type["QdashError"], tuple[str, str, ErrorKind]]:
        # Exception's own pickling would call __init__ with the message alone.
        return type(self), (self.message, self.remedy, self.kind)
