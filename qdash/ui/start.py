"""Starts the page, for `python app.py` and `qdash serve`. Any reason that it cannot start is printed in one line. Settings are read before
Gradio is imported: it reads variables of its own then, and fails on a GRADIO_SERVER_PORT that is no number, even if QDASH_PORT says where
to serve. PyTorch is asked for GPUs meanwhile: both take seconds.
"""

import os

from qdash import zerogpu
from qdash.errors import QdashError
from qdash.machine import begin_probing
from qdash.settings import settings


def serve_page() -> None:
    """Serve until interrupted. Raises QdashError if the page cannot start."""
    os.environ["GRADIO_SERVER_PORT"] = str(settings().port)
    zerogpu.activate()
    begin_probing()
    from qdash.ui import serve  # noqa: PLC0415

    serve.main()


def main() -> None:
    """Serve until interrupted, and end the process if the page cannot start."""
    try:
        serve_page()
    except QdashError as error:
        raise SystemExit(f"qdash: {error}") from None
