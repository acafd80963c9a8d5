"""What to do about an error, said to whoever reads it: on a public page that is a visitor, who cannot change the server.

A visitor can choose something else, try again, or tell its operator. What mentions packages, environment variables or files of
the server is for its owner; tests/test_remedies.py finds in the source what a visitor would be told of these.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from qdash.errors import QdashError
from qdash.settings import settings

TELL = "Tell the operator of this server."
CHOOSE_ANOTHER_MODEL = "Choose another model; this server cannot use its files of this one."


def by_reader(*, owner: str, visitor: str) -> str:
    """`visitor` in public mode, else `owner`."""
    return visitor if settings().public else owner


@contextmanager
def files_are_the_servers() -> Iterator[None]:
    """In public mode, let errors about a model's files tell a visitor to choose another: the files are the server's."""
    try:
        yield
    except QdashError as error:
        if error.kind != "checkpoint" or not settings().public:
            raise
        raise QdashError(error.message, CHOOSE_ANOTHER_MODEL, error.kind) from error
