"""Headline, card, tables, chart, report and terminal say one thing of a variant's speed, and give a reason only where it is true."""

import re
from contextlib import redirect_stdout
from html import unescape
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdash.charts import latency_bars
from qdash.cli.display import display
from qdash.cli.shown.comparison import comparison_blocks
from qdash.records import Comparison, Latency, NoiseFloor, Ratio, Relative, Rounds, Timing, VariantResult
from qdash.ui.components.comparison_tables import relative_html
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state
from qdash.verdict import verdict
from qdash.verdict.evidence import pace_of, told_time
from qdash.verdict.reasons import common_reason, why_slower
from tests.support.scripted import comparison_of
from tests.verdict.examples import scored
from tests.verdict.test_sentences import comparison_with

WORD = re.compile(r"\d+\.\d× (?:faster|slower)|≈ same")


def ratio(value: float, doubt: float) -> Ratio:
    return Ratio(value=value, low=value / (1 + doubt), high=value * (1 + doubt))


def timed(key: str, total: float, first: float, token: float) -> VariantResult:
    """A variant whose three times are such multiples of the original's."""
    result = scored(key)
    assert result.latency is not None
    parts = {
        name: Timing.of([run * times for run in getattr(result.latency, name).runs])
        for name, times in (("total_s", total), ("ttft_s", first), ("tpot_s", token))
    }
    return result.model_copy(update={"latency": Latency.model_validate({**result.latency.model_dump(), **parts})})


def rounds_of(total: Ratio, first: Ratio, token: Ratio, noise: float = 0.02, busy: float = 0.0, taken: int = 5) -> Comparison:
    """A variant beside the original in quiet rounds, with ratios that may tell three stories."""
    variant = timed("bnb-nf4", total.value, first.value, token.value)
    made = comparison_with(scored("original"), variant, floor=NoiseFloor(relative=noise, first_median_s=1, again_median_s=1))
    relative = Relative(latency=total.value, memory=0.29, tokens_per_s=1 / token.value, total=total, ttft=first, tpot=token)
    variants = (made.variants[0], made.variants[1].model_copy(update={"relative": relative}))
    return made.model_copy(update={"variants": variants, "rounds": Rounds(taken=taken, busy=busy)})


RATIOS = st.builds(ratio, st.sampled_from([0.36, 0.9, 0.98, 1.0, 1.08, 1.6, 3.0]), st.sampled_from([0.01, 0.08, 0.6]))


@given(RATIOS, RATIOS, RATIOS, st.sampled_from([0.01, 0.2]), st.sampled_from([0.0, 0.4]), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_every_place_says_what_the_pace_says(total: Ratio, first: Ratio, token: Ratio, noise: float, busy: float, taken: int) -> None:
    found = rounds_of(total, first, token, noise, busy, taken)
    pace, said, printed = pace_of(found.variants[1], found), verdict(found), StringIO()
    with redirect_stdout(printed):
        display().show(*comparison_blocks(found))
    card = unescape(cards_html(finished_state(found)).split("<article")[2])
    row = unescape(relative_html(found).split("<tr>")[-1])
    places = {"headline": f"{said.plain} {said.why}", "card": re.sub(r'data-tip="[^"]*"', "", card), "table": row}
    for place, words in places.items():
        assert set(WORD.findall(words)) <= {pace.words}, place
    cells = re.findall(r"<td>(?:<span[^>]*>)?([^<]*)", row)
    if pace.told in ("faster", "slower"):
        assert (cells[0], cells[2]) == (f"{total.value:.2f}×", f"{1 / total.value:.2f}×") and pace.words in places["card"]
    else:
        assert cells[0] == cells[2] == ("≈ same" if pace.told == "same" else "not compared")
    assert cells[0] in printed.getvalue() and cells[0] == told_time(found.variants[1], found)


def test_a_first_token_that_is_as_quick_never_contradicts_a_total_that_is_faster() -> None:
    found = rounds_of(ratio(0.9, 0.01), ratio(1.0, 0.01), ratio(0.36, 0.01))
    card = cards_html(finished_state(found)).split("<article")[2]
    assert "1.1× faster" in card and "≈ same" not in card and "0.36" not in relative_html(found)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [({}, False), ({"noise": 1.5}, True), ({"busy": 0.6}, True), ({"taken": 2}, True)],
)
def test_bars_that_cannot_be_compared_say_so(changes: dict[str, float], warned: bool) -> None:
    close = ratio(1.2, 0.01)
    figure = latency_bars(rounds_of(close, close, close, **changes))  # type: ignore[arg-type]
    assert ("Not comparable" in figure.layout.xaxis.title.text) == warned
    bars: Any = figure.data
    colours = {bar.marker.color for bar in bars if bar.type == "bar" and bar.base is not None}
    assert any(colour.endswith("0.3)") for colour in colours) == warned


def test_without_noise_nothing_is_told_and_bars_say_so() -> None:
    found = rounds_of(ratio(3.0, 0.01), ratio(3.0, 0.01), ratio(3.0, 0.01)).model_copy(update={"noise_floor": None})
    assert "not compared" in relative_html(found) and "slower" not in cards_html(finished_state(found))
    assert "Not comparable" in latency_bars(found).layout.xaxis.title.text


def slower_than(original_dtype: str, result: VariantResult) -> Comparison:
    original = scored("original").model_copy(update={"dtype": original_dtype})
    return comparison_with(original, result, floor=NoiseFloor(relative=0.01, first_median_s=1, again_median_s=1))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (scored("fp32", slowdown=2.0), None),
        (scored("bf16", slowdown=2.0).model_copy(update={"dtype": "bfloat16"}), "this device computes bfloat16 more slowly than float32"),
        (scored("bnb-nf4", slowdown=2.0), "the model is so small that unpacking 4-bit weights costs more than it saves"),
        (scored("bnb-nf4", slowdown=2.0).model_copy(update={"model": "another"}), None),
    ],
)
def test_a_reason_is_given_only_where_it_is_true(result: VariantResult, reason: str | None) -> None:
    found = slower_than("float32", result)
    assert pace_of(found.variants[1], found).told == "slower"
    assert why_slower(found.variants[1], found) == (f"Slower: {reason}." if reason else None)
    assert "computes float32" not in cards_html(finished_state(found)) + verdict(found).why.replace("than float32", "")


def test_variants_that_are_slower_for_different_reasons_share_none() -> None:
    results = (scored("original"), scored("fp32", slowdown=2.0), scored("bnb-nf4", slowdown=2.0))
    found = comparison_with(*results, floor=NoiseFloor(relative=0.01, first_median_s=1, again_median_s=1))
    assert common_reason(found.variants[1:], found) is None
    assert "unpacking" not in verdict(found).why


@pytest.mark.parametrize(
    ("schemes", "work"),
    [
        (["bnb-nf4"], "unpacking 4-bit weights"),
        (["bnb-nf4", "ao-int8wo"], "unpacking the weights"),
        (["bnb-nf4", "bnb-int8"], "the work beside multiplying"),
    ],
)
def test_a_common_reason_holds_for_all(schemes: list[str], work: str) -> None:
    small = {"memory": scored("bnb-nf4").memory}
    results = (scored("original"), *(scored(scheme, slowdown=2.0).model_copy(update=small) for scheme in schemes))
    found = comparison_with(*results, floor=NoiseFloor(relative=0.01, first_median_s=1, again_median_s=1))
    assert common_reason(found.variants[1:], found) == f"the model is so small that {work} costs more than it saves"


def test_the_original_is_one() -> None:
    request = comparison_with(scored("original"), scored("bnb-nf4"), floor=None).request
    assert told_time((found := comparison_of(request, scored("original"), scored("bnb-nf4"))).variants[0], found) == "1.00×"
