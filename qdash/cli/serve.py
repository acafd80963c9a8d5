"""`qdash serve`, and `qdash` alone: the page, which is what `python app.py` serves."""

import os
from typing import Annotated

import typer

_Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="The address to listen on. If left out, only this computer can open the page (127.0.0.1). 0.0.0.0 lets every computer "
        "on the network open it: set QDASH_PASSWORD to ask for a password, or QDASH_PUBLIC=1 to keep strangers from your files.",
    ),
]
_Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=0, max=65535, help="The port to listen on: 7860 if left out; 0 takes any free one."),
]


def serve(host: _Host = None, port: _Port = None) -> None:
    """Serve the page until you press Ctrl+C, and print its address. “qdash” alone does the same.

    All other settings come from environment variables such as QDASH_CACHE_DIR; Help, at the
    foot of the page, lists them.
    """
    given = {"QDASH_HOST": host, "QDASH_PORT": port}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    # Imported here, not above: no other command needs the page.
    from qdash.ui.start import serve_page  # noqa: PLC0415 - see above

    serve_page()
