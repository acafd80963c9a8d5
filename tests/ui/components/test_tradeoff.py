"""The table beside the chart of costs and quality."""

import re

from qdash.charts import comparison_trades
from qdash.ui.components.tradeoff import note_html, trade_table_html
from tests.report.examples import COMPARISON


def test_the_trade_off_has_a_table_twin_that_leads_to_the_cards() -> None:
    html = trade_table_html(COMPARISON)
    assert re.findall(r'data-jump="(\d)"', html) == ["0", "1", "2", "3", "4"]
    assert "0.21 ± 0.1" in html and "size, peak, time" in html
    assert "FP4 4-bit (not run)" in note_html(comparison_trades(COMPARISON))
