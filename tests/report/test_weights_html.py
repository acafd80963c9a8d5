"""The HTML report of weights: complete, self-contained, and harmless whatever a checkpoint calls its layers."""

import csv
import io
from pathlib import Path

import pytest

from qdash.records import Agreement, WeightReport
from qdash.report import weights_to_csv, weights_to_html
from tests.report.examples import HOSTILE, WEIGHTS
from tests.report.opened import Page, opened
from tests.support.scripted import NEAR
from tests.support.scripted_weights import files_report, report_of

REPORT = report_of("bnb-int8", "bnb-nf4", "fp6-e2m3")


@pytest.fixture(scope="module")
def html() -> str:
    return weights_to_html(REPORT)


def test_everything_is_on_the_page(html: str) -> None:
    for words in (
        "the rounding error is",
        "<em>down projection</em>",
        "SIMULATED",
        "all 417,234,944 weights",
        "Every layer",
        "4864",
    ):
        assert words in html
    page = Page(html)
    assert page.count("article") == 3
    assert page.count("script") == 1 + 2 * 3 + 2, "figures as data, plotly, and the lines that draw"
    assert page.count("button") == 1 + 2 * 3, "a picture of each figure can be saved; nothing can be picked"


def test_names_are_text() -> None:
    layer = REPORT.schemes[1].layers[0].model_copy(update={"name": HOSTILE, "part": HOSTILE, "projection": HOSTILE, "sqnr_db": 1.0})
    scheme = REPORT.schemes[1].model_copy(update={"label": HOSTILE, "layers": (layer,)})
    html = weights_to_html(REPORT.model_copy(update={"model": HOSTILE, "schemes": (scheme,)}))
    page = Page(html)
    assert page.count("img") == 0 and page.count("script") == 1 + 2 + 2
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_nothing_is_fetched(html: str) -> None:
    policy = next(attributes["content"] for _, attributes in Page(html).tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy


def test_drift_along_a_text_leaves_with_the_report() -> None:
    before = files_report("a.gguf", "b.gguf")
    after = drifted(before, NEAR.model_copy(update={"kl_mean_nats": 0.12, "tokens": 1234}))
    assert "Drift along a text" not in weights_to_html(before)
    html = weights_to_html(after)
    assert "Drift along a text" in html and "<td>0.12</td>" in html and "1,234" in html
    whole, *layers = csv.DictReader(io.StringIO(weights_to_csv(after)))
    assert (whole["drift_kl_mean_nats"], whole["drift_tokens"]) == ("0.12", "1234") and {row["drift_tokens"] for row in layers} == {""}


def drifted(report: WeightReport, drift: Agreement) -> WeightReport:
    return report.model_copy(update={"schemes": tuple(scheme.model_copy(update={"drift": drift}) for scheme in report.schemes)})


def test_what_was_not_kept_is_not_drawn() -> None:
    (scheme,) = WEIGHTS.schemes
    bare: WeightReport = WEIGHTS.model_copy(update={"schemes": (scheme.model_copy(update={"histograms": None, "sqnr_db": None}),)})
    assert Page(weights_to_html(bare)).count("script") == 2
    assert "NaN or infinite" not in weights_to_html(bare)
    broken = bare.schemes[0].model_copy(update={"nonfinite": 3})
    assert "3 weights are NaN or infinite" in weights_to_html(bare.model_copy(update={"schemes": (broken,)}))


@pytest.mark.browser
def test_a_browser_opens_it_offline(html: str, tmp_path: Path) -> None:
    seen = opened(html, tmp_path, charts=7)
    assert seen.problems == [] and not seen.overflows
