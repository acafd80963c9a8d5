"""What ZeroGPU's scheduler says when it gives no GPU or takes one back, and what a person can do about it.

The package `spaces` raises a `gradio.Error` with a title and a sentence, or whatever its HTTP client raised. The texts are those of
spaces 0.51; one that is not known is logged and counts as a scheduler that does not answer.
"""

import logging
import re
from dataclasses import dataclass

from qdash.errors import QdashError
from qdash.execution.failures import cancelled
from qdash.remedies import by_reader

ABORTED = "GPU task aborted"
_SLACK_S = 3.0
"""The scheduler's clock starts before the job's process does."""

_QUOTA = re.compile(r"\((\d+)s requested vs\. (-?\d+)s left\)")
_WAIT = re.compile(r"Try again in ([^.]+)\.")
_LESS = "choose fewer variants, fewer runs or a smaller model"
_SENTENCES = (
    (
        "pending credits exceeded",
        "Other tasks of yours hold all of your ZeroGPU credits.",
        "Wait until they are finished, then try again.",
    ),
    (
        "runs limit",
        "You have used up your ZeroGPU runs for now.",
        "Try again later; a Hugging Face account, or a larger plan, allows more.",
    ),
    (
        "reached its GPU limit",
        "This Space has used up the GPU time it may lend to visitors who are not signed in.",
        "Sign in to Hugging Face and reload the page, or try again later.",
    ),
    (
        "No GPU was available",
        "No GPU was free within a minute.",
        "Try again in a few minutes; signed-in visitors are served first.",
    ),
    (
        "Expired ZeroGPU proxy token",
        "The page has been open for so long that Hugging Face no longer accepts its sign-in for a GPU.",
        "Reload the page and try again; what you measured is under History.",
    ),
)  # fmt: skip


class JobFailed(Exception):
    """A job ended without a result: `spaces` raised `reason`, `ran_s` seconds after the job's process began (None: it never did)."""

    def __init__(self, reason: BaseException, ran_s: float | None = None) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.ran_s = ran_s

    @property
    def text(self) -> str:
        """The title and the sentence."""
        return f"{getattr(self.reason, 'title', type(self.reason).__name__)}: {getattr(self.reason, 'message', self.reason)}"

    def overran(self, asked_s: int) -> bool:
        """Whether it was ended because the `asked_s` seconds of its GPU were over."""
        return ABORTED in self.text and self.ran_s is not None and self.ran_s > asked_s - _SLACK_S


@dataclass(frozen=True)
class Quota:
    """What a visitor's quota has left, in the seconds that jobs ask for; `wait` is the scheduler's own text ("3:20:05"), or empty."""

    left_s: int
    wait: str

    def error(self, needed_s: float) -> QdashError:
        """A job that needs more than is left."""
        later = f"try again in {self.wait} (h:mm:ss)" if self.wait else "try again later"
        message = f"This needs about {needed_s:.0f} s of GPU time, and your ZeroGPU quota has {self.left_s} s left."
        return QdashError(message, f"{_LESS[0].upper()}{_LESS[1:]}, or {later}.", "unavailable")


def quota_of(failure: JobFailed, asked_s: int) -> Quota | None:
    """The quota, if a request for `asked_s` seconds was refused because less is left. The scheduler counts in units of its own."""
    found = _QUOTA.search(failure.text)
    if found is None:
        return None
    requested, left = int(found[1]), max(0, int(found[2]))
    wait = _WAIT.search(failure.text)
    return Quota(left * asked_s // max(1, requested), wait[1] if wait else "")


def explained(failure: JobFailed, asked_s: int, most_s: int) -> QdashError:
    """`failure` of a job that asked for `asked_s` of at most `most_s` seconds, as a person reads it."""
    text = failure.text
    if ABORTED in text:
        return _aborted(failure, asked_s, most_s)
    if "illegal duration" in text:
        message = f"ZeroGPU does not lend a GPU for {asked_s} s here."
        less = f"{_LESS[0].upper()}{_LESS[1:]}"
        said = by_reader(owner=f"{less}; the owner of this Space can lower QDASH_GPU_SECONDS.", visitor=f"{less}.")
        return QdashError(message, said, "unavailable")
    if "Connection closed by visitor" in text:
        return cancelled()
    for sign, message, what_to_do in _SENTENCES:
        if sign in text:
            return QdashError(message, what_to_do, "unavailable")
    logging.getLogger("qdash").error("ZeroGPU failed", exc_info=failure.reason)
    if text.startswith("ZeroGPU worker error"):
        message = f"The process that was to use the GPU could not start ({text.rpartition(': ')[2]})."
        again = "Try again; if it happens every time"
        said = by_reader(owner=f"{again}, restart this Space.", visitor=f"{again}, tell the owner of this Space.")
        return QdashError(message, said, "worker_died")
    message = "Hugging Face's GPU scheduler does not answer as it should."
    return QdashError(message, "Try again in a few minutes, or choose the device “cpu”.", "unavailable")


def _aborted(failure: JobFailed, asked_s: int, most_s: int) -> QdashError:
    if not failure.overran(asked_s):
        message = "The process on the GPU ended unexpectedly."
        return QdashError(message, "Try again; if it happens every time, this scheme does not work on this GPU.", "worker_died")
    message = f"The GPU was lent for {asked_s} s, which was too short."
    more = "Try again: more time will be asked for. Or " if asked_s < most_s else ""
    said = f"{more}{_LESS}." if more else f"{_LESS[0].upper()}{_LESS[1:]}."
    return QdashError(message, said, "worker_died")
