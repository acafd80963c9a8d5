"""Writing a text file all of it or nothing: until the new contents are complete, and if they cannot be, the old ones stay."""

import tempfile
from pathlib import Path

from qdash.scratch import prefix


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` to `path`, line ends as they are, with the permissions `mode`; raises OSError, and leaves nothing behind then."""
    file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed before it gets its name, and gone if that fails
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=prefix("part"), delete=False
    )
    made = Path(file.name)
    try:
        with file:
            file.write(text)
        made.chmod(mode)
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
