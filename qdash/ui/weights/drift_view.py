"""How closely the other file's model follows the first one's along a text: figures, or what is known before they are there."""

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.drift import DRIFT_HEADINGS, drift_lines
from qdash.present.language import _
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
    rows, said = drift_lines(with_drift(report, drifted))
    if not rows and not said:
        return _draw.lines([_(text.DRIFT_OFFER)])
    table = _draw.figures([_(heading) for heading in DRIFT_HEADINGS], rows) if rows else Markup()
    return table + _draw.lines(said)
