"""The uploading process: `python -m qdash.checkpoints.upload <repo> <folder> <visibility>` fills a repository on the hub.

A separate process, because an upload can only be stopped within a second by ending the process that waits for the network. The token is
the person's own: huggingface_hub finds it in the environment or where `hf auth login` put it, and nothing here touches it. What happens is
printed as lines of JSON: CREATED once a repository was made, and a failure; exit code 1.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from qdash.errors import QdashError
from qdash.records import ErrorRecord

CREATED = "created"
NO_TOKEN = "Run “hf auth login” with a token that may write, or set HF_TOKEN."
_MESSAGE = "Save a version with qdash"


def main(repo: str, folder: str, visibility: str) -> int:
    """Upload `folder` to `repo`; `visibility`: “private” or “public” for one that is made, “existing” for one whose files are replaced."""
    api = HfApi()
    try:
        with upload_errors(repo):
            if visibility != "existing":
                api.create_repo(repo, private=visibility == "private")
                print(CREATED, flush=True)
            replaced = "*" if visibility == "existing" else None
            api.upload_folder(repo_id=repo, folder_path=folder, commit_message=_MESSAGE, delete_patterns=replaced)
    except QdashError as error:
        print(ErrorRecord.of(error).model_dump_json(), flush=True)
        return 1
    return 0


@contextmanager
def upload_errors(repo: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into errors a person can act on. None of them has the token, or text of the server's."""
    try:
        yield
    except LocalTokenNotFoundError:
        raise QdashError("There is no token for the hub.", NO_TOKEN, "download") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise QdashError(f"The hub does not let your token write to {repo} (HTTP {status}).", NO_TOKEN, "download") from None
        raise QdashError(f"The hub refused {repo} (HTTP {status}).", "Try again later, or save to a folder.", "download") from None
    except ValueError:
        message = f"The hub does not accept the model card of {repo}."
        raise QdashError(message, "Save to a folder, and send it yourself.", "download") from None
    except (OSError, httpx2.HTTPError):
        message = f"{repo} could not be sent: the hub could not be reached."
        raise QdashError(message, "Check the connection, or save to a folder.", "download") from None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
