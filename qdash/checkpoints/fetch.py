"""The downloading process: `python -m qdash.checkpoints.fetch <repo> <revision> <file>…` fills huggingface_hub's cache.

A separate process, because a download can only be stopped within a second by ending the process that waits for the network. A failure is
printed as one JSON line; exit code 1.
"""

import signal
import sys

from huggingface_hub import hf_hub_download

from qdash.checkpoints.hub import hub_errors
from qdash.errors import QdashError
from qdash.records import ErrorRecord


def main(repo: str, revision: str, *files: str) -> int:
    """Download `files` of `repo` at `revision` in this order; returns the exit code."""
    try:
        with hub_errors(repo):
            # One after the other in this thread: only there does a signal end the download with its clean-up.
            for name in files:
                hf_hub_download(repo, name, revision=revision)
    except QdashError as error:
        print(ErrorRecord.of(error).model_dump_json(), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    # Ended as by Ctrl-C, huggingface_hub removes the part of a file it has.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
