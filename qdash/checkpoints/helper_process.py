"""Programs that qdash starts for a while: they know none of a person's tokens, and have ended when their block is left."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with `changes`, without tokens."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS} | changes


@contextmanager
def helper(command: list[str], **changes: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], list[str]]]]:
    """`command` at work, in `environment(**changes)`, and a function for the lines that it has printed, errors too, once it has ended.

    They are kept in a file: a pipe that is full would stop the program.
    """
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, env=environment(**changes), start_new_session=True
        )

        def lines() -> list[str]:
            printed.seek(0)
            return printed.read().decode(errors="replace").splitlines()

        try:
            yield process, lines
        finally:
            process.kill()
            process.wait()
