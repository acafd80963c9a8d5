"""A process that keeps runs in a history and prints their keys, for tests that kill it."""

import subprocess
import sys
from pathlib import Path

from tests.support.serving import ROOT

WRITER = """
import sys
from pathlib import Path
from tests.history.examples import comparison, history_in
history = history_in(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    print(history.keep(comparison(number)), flush=True)
"""


def history_writer(folder: Path, first: int, last: int) -> subprocess.Popen[str]:
    """Keeps the runs `first` … `last` - 1 in the history of `folder`; each key is a line once its run is saved."""
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(last)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
