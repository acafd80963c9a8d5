"""How closely the other file's model follows the first one's along a text: figures, or what is known before they are there."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.drift import LOWER_BOUND, drift_figures, has_lower_bound
from qdash.present.language import _, recorded
from qdash.records import WeightReport
from qdash.ui.components import text

_draw = Macros(__name__)


def with_drift(report: WeightReport, drifted: WeightReport | None) -> WeightReport:
    """`report` with what was measured along a text; as it is where `drifted` tells of other files."""
    return report if drifted is None or drifted.created_at != report.created_at else drifted


def drift_html(report: WeightReport | None, drifted: WeightReport | None) -> Markup:
    """A line for each of the other files, or what could be measured; nothing where no files are compared."""
    if report is None or report.stored is None:
        return Markup()
    known = with_drift(report, drifted)
    rows = [(scheme.label, *drift_figures(scheme.drift)) for scheme in known.schemes if scheme.drift]
    problems = [f"{scheme.label}: {recorded(scheme.drift_problem)}" for scheme in known.schemes if scheme.drift_problem]
    if not rows and not problems:
        return _draw.lines([_(text.DRIFT_OFFER)])
    headings = (_("along the text"), _("KL, nats"), _("standard error"), _("same token"), _("perplexity"), _("tokens"))
    table = _draw.figures(headings, rows) if rows else Markup()
    return table + _draw.lines([*problems, *([f"{_(LOWER_BOUND)}."] if has_lower_bound(known) else [])])
