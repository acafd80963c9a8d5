"""The command line: the same engine as the page, without torch in this process, and without gradio except to serve the page.

Exit status: 0 all done; 2 bad input, with one line on standard error; 3 some variants did not run, the others are in the output;
4 all ran, but none could be judged (`run` and `eval`); 130 interrupted.
"""

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from qdash import __version__
from qdash.cli.display import display
from qdash.cli.doctor import doctor
from qdash.cli.eval import evaluation
from qdash.cli.fit import fit
from qdash.cli.heal import heal
from qdash.cli.history import commands as history
from qdash.cli.inspect import inspect
from qdash.cli.inventory import models, schemes
from qdash.cli.mix import mix
from qdash.cli.run import run
from qdash.cli.save import save
from qdash.cli.sensitivity import sensitivity
from qdash.cli.serve import serve
from qdash.cli.weights import weights
from qdash.errors import QdashError
from qdash.present.language import recorded

# Typer's usage errors have no public base class but this one's, so its type, which has `format_message`, cannot be named either.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

commands = typer.Typer(
    name="qdash",
    help="See what quantization does to a model. Without a command, qdash serves its page.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (serve, run, weights, sensitivity, inspect, fit, mix, heal, save, schemes, models, doctor):
    commands.command()(command)
commands.add_typer(history, name="history")
commands.command("eval")(evaluation)


@commands.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)


def main(arguments: list[str]) -> int:
    """Run one command, `serve` if there is none; returns its exit status. A user's mistake is one line on standard error."""
    try:
        status = commands(arguments or ["serve"], prog_name="qdash", standalone_mode=False) or 0
        sys.stdout.flush()
        return status
    except QdashError as error:
        return 130 if error.kind == "cancelled" else _complain(f"{recorded(error.message)} {recorded(error.remedy)}")
    except _UsageError as error:
        return _complain(f"{error.format_message().rstrip('.')}. See “qdash --help”.")  # type: ignore[attr-defined] - see _UsageError
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.filename is not None or error.errno not in _OF_OUTPUT:
            raise
        _give_up_output()
        if error.errno == errno.EPIPE:
            return 1  # the reader, such as `head`, has closed the pipe
        return _complain(f"The output could not be written ({error.strerror}). Free some space, or send it elsewhere.")


_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""Turns faults of writing standard output into one line; other errors of the system pass."""


def _give_up_output() -> None:
    """Discard the rest of standard output, or Python would complain at exit that it cannot be written."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> int:
    display().warn(message)
    return 2
