"""What an evaluation does right now, and how long it will take: one line, the same wherever questions are asked."""

from qdash.present.language import _, decimal, recorded
from qdash.ui.components import text
from qdash.ui.results.quality_state import QualityState


def doing(state: QualityState) -> str:
    """The line below the headline while this evaluation runs: the variant, its progress and the time left."""
    finished = sum(row.result is not None for row in state.rows)
    row = state.current
    if row is None:
        return _("Starting a worker.") if finished < len(state.rows) else _("Finishing.")
    if row.state == "measuring":
        if row.waiting:
            doing = recorded(row.detail)
            return _("Asking the original some questions again, to see how much timings vary · {doing}.", doing=doing)
        return _("Asking the original some questions again, to see how much timings vary.")
    said = [f"{recorded(row.label)}: {_(text.WITHIN[row.state])}"]
    if row.state == "answering" and row.done:
        said.append(_("question {number} of {total}", number=decimal(row.done), total=decimal(row.total)))
    said.append(_("version {number} of {total}", number=state.rows.index(row) + 1, total=len(state.rows)))
    left = left_s(state)
    if row.waiting:  # the answers of a comparison come first
        said.append(recorded(row.detail))
    elif left is not None:
        said.append(text.to_go(left))
    return " · ".join(said)


def left_s(state: QualityState) -> float | None:
    """Seconds left for all variants, if the others take as long for a question as the current one; None if unknown."""
    row = state.current
    if row is None or row.eta_s is None or row.done >= row.total:
        return None
    per_item = row.eta_s / (row.total - row.done)
    waiting_rows = sum(other.state == "queued" for other in state.rows)
    return row.eta_s + per_item * row.total * waiting_rows
