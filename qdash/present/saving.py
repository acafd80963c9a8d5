"""What is said of a version that was saved: the form of its weights, and how it was checked."""

from qdash.present.language import _, ngettext
from qdash.records import ReloadCheck, Saved


def form_words(saved: Saved) -> str:
    """What the weight files hold."""
    if saved.narrowed is None:
        return _("The files hold the quantized weights.")
    halves, more = saved.narrowed.in_16_bits, saved.narrowed.in_more
    if saved.kind == "simulated" and saved.loaded.coverage.pruned_alone:
        words = _("The files hold the pruned weights as plain floats, zeros included, so they are as large and as fast as before.")
    elif saved.kind != "simulated":
        words = _("The files hold plain floats.")
    else:
        words = _(
            "This format is simulated: the files hold the rounded values as plain floats, so they are as large and as fast as floats."
        )
    if not more:
        return f"{words} {_('All are 16-bit floats, which hold the values exactly.')}"
    if not halves:
        return f"{words} {_('They are 32-bit floats, as 16 bits would round the values again.')}"
    exact = ngettext(
        "{number} tensor is in 16-bit floats, which hold its values exactly;",
        "{number} tensors are in 16-bit floats, which hold their values exactly;",
        halves,
    )
    rest = ngettext(
        "{number} is in 32-bit floats, as 16 bits would round it again.",
        "{number} are in 32-bit floats, as 16 bits would round them again.",
        more,
    )
    return f"{words} {exact} {rest}"


def checked_words(check: ReloadCheck) -> str:
    """How what was saved was found to be the version."""
    again = (
        _("Loaded again in a new process:") if check.new_process else _("Loaded again in the same process, as this host allows no other:")
    )
    if check.equal:
        same = ngettext(
            "the logits at {number} token of a fixed text are the same to the last bit.",
            "the logits at {number} tokens of a fixed text are the same to the last bit.",
            check.tokens,
        )
        return f"{again} {same}"
    near = _(
        "the log-probabilities along a fixed text are at most {apart} nats apart, no more than another order of the same sums explains "
        "({allowed}).",
        apart=f"{check.apart_nats:.2g}",
        allowed=f"{check.allowed_nats:.2g}",
    )
    return f"{again} {near}"
