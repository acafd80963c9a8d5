"""The HTML report: complete, self-contained, and harmless whatever a model said."""

import base64
import re
from pathlib import Path

import pytest

from qdash.history.pictures import small_picture
from qdash.report import to_html
from tests.report.examples import COMPARISON, HOSTILE
from tests.report.opened import ColorScheme, Page, opened


@pytest.fixture(scope="module")
def html(png: bytes) -> str:
    return to_html(COMPARISON, png)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_everything_is_on_the_page(html: str, page: Page) -> None:
    for words in (
        "这张图片中有什么？",
        "Original",
        "INT8",
        "FP6 E2M3",
        "19.6",
        "SIMULATED",
        "noise ±4%",
        "50 tokens × 5 runs",
        "torch 2.11.0",
    ):
        assert words in html
    assert page.count("article") == 5
    assert "Memory ran out &lt;here&gt;." in html and "Choose fewer." in html
    assert "from_pretrained(&#34;folder&#34;" in html
    assert "lm_head" in html


def test_the_verdict_and_the_agreement_are_on_the_page(html: str, page: Page) -> None:
    assert "The 4-bit version is 71% smaller, 2.0× faster here, but gives a different answer." in html
    assert "Distance from the original over 2 tokens of its answer" in html
    assert "✕ Different answer · most words changed" in html and "50% · KL 0.21 ± 0.10 nats" in html
    strips = [attributes for _, attributes in page.tags if attributes.get("class") == "strip"]
    assert len(strips) == 2 and "Along the reference text" in (strips[1]["aria-label"] or "")
    tokens = [attributes for _, attributes in page.tags if (attributes.get("class") or "").startswith("token")]
    said = f"“{HOSTILE}”: not finite, would say “{HOSTILE}”; close call, margin 3% → 20%"
    assert [token["title"] for token in tokens[:2]] == ["“白色”: 0.010 nats", said]
    assert (tokens[1]["class"] or "").split() == ["token", "diverges", "close"]


def test_close_calls_and_tails_are_on_the_page(html: str) -> None:
    assert "1 of 2 tokens differs. It was a close call: the original&#39;s own margin was 3%." in html
    assert "Right became wrong at 1, wrong became right at 0." in html
    assert "Close calls and tails" in html and "<td>7.0% ± 2.0%</td>" in html and "<td>0.41</td>" in html
    plain = [result.model_copy(update={"agreement": None, "agreement_text": None}) for result in COMPARISON.variants]
    assert "Close calls and tails" not in to_html(COMPARISON.model_copy(update={"variants": tuple(plain)}))


def test_differences_from_the_original_are_marked(page: Page) -> None:
    assert "星" in page.text["mark"] and "正方" not in page.text["mark"]


def test_the_picture_is_optional(html: str, png: bytes) -> None:
    assert base64.b64encode(png).decode() in html
    assert Page(to_html(COMPARISON)).count("img") == 0
    kept = small_picture(png)
    assert f"data:image/webp;base64,{base64.b64encode(kept).decode()}" in to_html(COMPARISON, kept)


def test_the_result_comes_first_on_screen_and_paper(html: str, page: Page) -> None:
    assert html.index('class="verdict"') < html.index('class="question"') < html.index('class="cards"')
    assert "<span>Bundled drawing reader <code>tiny-vlm</code></span>" in html
    assert '<div class="scroll" tabindex="0"><table>' in html
    saves = [attributes["data-saves"] for _, attributes in page.tags if attributes.get("class") == "save-picture"]
    assert saves == [attributes["id"] for _, attributes in page.tags if attributes.get("class") == "chart"] != []


def test_model_output_is_text(html: str, page: Page) -> None:
    assert HOSTILE not in html and "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)
    assert page.count("img") == 1, "the picture alone"
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    # Three figures as data, plotly, and the lines that draw.
    assert page.count("script") == 5


def test_nothing_is_fetched(page: Page) -> None:
    policy = next(attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy
    addresses = [value or "" for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in page.text["style"] and "@import" not in page.text["style"]


def test_plotly_is_there_once(html: str) -> None:
    assert len(re.findall(r"plotly\.js v\d", html)) == 1
    assert len(html) < 6e6


def test_without_any_result_the_report_still_opens() -> None:
    failed = COMPARISON.model_copy(update={"variants": (COMPARISON.variants[4],), "noise_floor": None})
    assert "Memory ran out" in to_html(failed)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_opens_it_offline(html: str, tmp_path: Path, scheme: ColorScheme) -> None:
    seen = opened(html, tmp_path, charts=2, what="article .answer", scheme=scheme)
    assert seen.problems == []
    assert seen.cells[2] == HOSTILE
    assert not seen.overflows
    assert seen.saved == ("qdash-latency-tiny-vlm.png", 1920)
    assert (seen.background == "rgb(16, 18, 20)") == (scheme == "dark")
