"""What is inside a variant, drawn as HTML: the answers in words first, then the figures they come from. Pure functions over records."""

import json

from markupsafe import Markup

from qdash.markup import Macros
from qdash.present.coverage import covered, left_alone
from qdash.present.sizes import sizes
from qdash.records import InspectorReport

_draw = Macros(__name__)


def inside_html(report: InspectorReport) -> Markup:
    """The whole panel."""
    coverage = report.coverage if report.coverage is not None and report.coverage.skipped else None
    config = report.quantization_config
    return _draw.inside(
        report,
        covered(coverage) if coverage else "",
        left_alone(coverage) if coverage else (),
        sizes(report),
        None if config is None else json.dumps(config, indent=2, ensure_ascii=False),
    )
