"""For random records with any evidence missing or not a number, no sentence anywhere praises what is not known.

The oracle is written anew, in plain words, from what a person would ask: did both run and answer, are the original's scores numbers, was
something quantized, was it compared, and do the times of at least three rounds lie beyond the noise?
"""

from collections.abc import Iterator
from contextlib import redirect_stdout
from html import unescape
from io import StringIO
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from qdash.catalog.schemes import SCHEMES
from qdash.charts.tradeoff_points import AGAINST, comparison_trades, evaluation_trades
from qdash.cli.display import display
from qdash.cli.shown.comparison import comparison_blocks
from qdash.cli.shown.evaluation import evaluation_blocks
from qdash.history.figures import figures_of
from qdash.history.kinds import KINDS, kind_of
from qdash.history.run_diff import difference
from qdash.records import (
    Comparison,
    Coverage,
    EvaluatedVariant,
    Evaluation,
    EvaluationNoise,
    NoiseFloor,
    Ratio,
    Relative,
    Request,
    Rounds,
    Timing,
    Variant,
    VariantResult,
)
from qdash.report import evaluation_html, evaluation_to_html, html, to_csv, to_html
from qdash.report.page import Chart
from qdash.ui.components.comparison_tables import relative_html
from qdash.ui.results.cards import cards_html
from qdash.ui.results.compare_state import finished_state
from qdash.ui.results.evaluation_view import rows_html
from qdash.verdict import verdict
from qdash.verdict.evaluations import evaluation_verdict
from tests.support.scripted import CANCELLED, OUT_OF_MEMORY, comparison_of, variant_result
from tests.verdict.examples import agreement
from tests.verdict.test_evaluations import evaluation

ANSWER_PRAISE = ("same answer", "within noise of", "Good trade", "Same as the original", "✓")
SPEED_WORDS = ("faster", "slower", "≈ same speed", "about as fast")
ODD = st.sampled_from([nan, inf, -inf, -1.0, 0.0, None])
MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def mostly(usual: Any) -> st.SearchStrategy[Any]:
    """`usual` two times of three, else a number that is none."""
    return st.one_of(usual, usual, ODD)


def rarely(odd: Any, usual: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 4 + [odd])


KL = mostly(st.sampled_from([0.0, 0.002, 0.5, 3.0]))
AGREEMENTS = st.none() | st.builds(
    lambda kl, se, original, tokens: agreement(0.1).model_copy(
        update={"kl_mean_nats": kl, "kl_se": se, "ppl_original": original, "tokens": tokens}
    ),
    KL, mostly(st.just(0.001)), mostly(st.just(1.1)), rarely(0, 12),
)  # fmt: skip
COVERAGES = st.sampled_from(
    [
        None,
        Coverage(quantized=0, total=9),
        Coverage(quantized=0, total=0),
        Coverage(quantized=1, total=9, quantized_parameters=9, parameters=1000),
        Coverage(quantized=8, total=9, quantized_parameters=0, parameters=1000),
        Coverage(quantized=8, total=9, quantized_parameters=900, parameters=1000),
        Coverage(quantized=8, total=9),
    ]
)
RATIOS = st.none() | st.builds(
    lambda value, low, high: Ratio.model_construct(value=value, low=low, high=high),
    mostly(st.sampled_from([0.4, 1.0, 1.02, 2.5])).map(lambda value: nan if value is None else value),
    mostly(st.sampled_from([0.35, 0.97, 2.4])), mostly(st.sampled_from([0.45, 1.03, 2.6, 0.1])),
)  # fmt: skip
TIMINGS = st.builds(lambda middle, runs: Timing.of([middle] * runs), st.sampled_from([0.05, 0.17, 0.5]), st.integers(1, 5))
FLOORS = st.none() | st.builds(
    lambda relative, kl: NoiseFloor.model_construct(
        relative=nan if relative is None else relative, first_median_s=1.0, again_median_s=1.0, ttft=None, tpot=None, kl_nats=kl
    ),
    mostly(st.sampled_from([0.01, 0.05, 0.6])), mostly(st.just(0.0)),
)  # fmt: skip
ROUNDS = st.none() | st.builds(
    lambda taken, busy: Rounds.model_construct(taken=taken, repeated=0, busy=busy, busy_before=None),
    st.integers(0, 5), mostly(st.sampled_from([0.0, 0.05, 0.5])),
)  # fmt: skip


@st.composite
def variants(draw: st.DrawFn, key: str) -> VariantResult:
    """A result in which anything may be missing."""
    result = variant_result(key, draw(st.sampled_from(["A cat.", "A cat.", "A dog.", " "])))
    status = draw(st.sampled_from(["ok"] * 6 + ["failed", "skipped"]))
    if status != "ok":
        error = OUT_OF_MEMORY if status == "failed" else CANCELLED
        return result.model_copy(update={"status": status, "error": error, "latency": None, "memory": None, "agreement": None})
    problem = draw(rarely("It cannot be scored.", None))
    changes: dict[str, Any] = {
        "answer": draw(rarely(None, result.answer)),
        "agreement_problem": problem,
        "coverage": draw(COVERAGES),
        "scores_finite": draw(st.sampled_from([True, True, None, False])) if key == "original" else None,
    }
    if key != "original":
        changes |= {"agreement": draw(AGREEMENTS), "agreement_text": draw(st.none() | AGREEMENTS)}
    timing = draw(st.none() | TIMINGS)
    if timing is None:
        changes["latency"] = None
    elif result.latency is not None:
        changes["latency"] = result.latency.model_copy(update={"ttft_s": timing, "tpot_s": timing, "total_s": timing})
    return result.model_copy(update=changes)


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    keys = ["original", *draw(st.lists(st.sampled_from(["bnb-int8", "bnb-nf4", "fp32", "fp6-e2m3"]), min_size=1, max_size=2, unique=True))]
    results = [draw(variants(key)) for key in keys]
    request = Request(variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in keys), prompt="What?")
    made = comparison_of(request, *results)
    ratios = [draw(RATIOS) for _ in keys]
    timed = tuple(_with_ratio(result, ratio) for result, ratio in zip(made.variants, ratios, strict=True))
    return made.model_copy(update={"variants": timed, "noise_floor": draw(FLOORS), "rounds": draw(ROUNDS)})


def _with_ratio(result: VariantResult, ratio: Ratio | None) -> VariantResult:
    if result.kind == "simulated" or result.relative is None:
        return result
    relative = Relative.model_construct(**{**result.relative.__dict__, "total": ratio, "ttft": ratio, "tpot": ratio})
    return result.model_copy(update={"relative": relative})


# ── the oracle ───────────────────────────────────────────────────────────────────────────────────────────────────


def number(value: float | None) -> bool:
    return value is not None and isfinite(value)


def quantized(scheme: str, coverage: Coverage | None) -> bool:
    if SCHEMES[scheme].is_baseline:
        return True
    return coverage is not None and coverage.quantized > 0 and (coverage.share is None or coverage.share >= 0.01)


def sound(found: Comparison) -> bool:
    """Whether the original is one to compare with."""
    original, floor = found.variants[0], found.noise_floor
    own = floor is None or floor.kl_nats is None or isfinite(floor.kl_nats)
    return original.status == "ok" and bool((original.answer or "").strip()) and original.scores_finite is not False and own


def may_be_praised(result: VariantResult, found: Comparison) -> bool:
    scores = [one for one in (result.agreement, result.agreement_text) if one is not None]
    return (
        sound(found) and result.status == "ok" and result.answer is not None and result.agreement_problem is None
        and result.agreement is not None and result.agreement.tokens > 0 and quantized(result.scheme, result.coverage)
        and all(number(one.kl_mean_nats) and number(one.ppl_original) for one in scores if one.tokens > 0)
    )  # fmt: skip


def may_be_timed(result: VariantResult, found: Comparison) -> set[str]:
    """The words that its times, any of the three, allow."""
    original, floor, rounds = found.variants[0], found.noise_floor, found.rounds
    if original.status != "ok" or result.status != "ok" or result.kind == "simulated" or original.latency is None or result.latency is None:
        return set()
    if floor is None or not isfinite(floor.relative) or original.scores_finite is False or not quantized(result.scheme, result.coverage):
        return set()
    ratio, noise = result.relative.total if result.relative else None, max(floor.relative, 0.0)
    if rounds is not None or ratio is not None:
        if ratio is None or rounds is None or rounds.taken < 3 or ratio.low is None or ratio.high is None:
            return set()
        low, high = ratio.low, ratio.high
        if not (0 < low <= ratio.value <= high < inf):
            return set()
    else:
        runs = [of.latency.total_s.runs for of in (result, original) if of.latency is not None]
        if min(map(len, runs)) < 3 or noise > 0.3:
            return set()
        low = high = result.latency.total_s.median / original.latency.total_s.median
    words = {"slower"} if low > 1 + noise else {"faster"} if high * (1 + noise) < 1 or high < 1 - noise else set()
    return words | ({"≈ same speed", "about as fast"} if low >= 0.9 and high <= 1.1 else set())


def check(words: str, found: Comparison, *, where: str) -> None:
    others = found.variants[1:]
    if not any(may_be_praised(result, found) for result in others):
        for praise in ANSWER_PRAISE:
            assert praise not in words, f"{where}: {praise}"
    allowed = set().union(*(may_be_timed(result, found) for result in others))
    for word in SPEED_WORDS:
        spoken = words.replace("Neither is faster", "").replace("It is not faster", "").replace("None is faster", "")
        assert word in allowed or word not in spoken, f"{where}: {word}"
    if "Both give" in words or "All " in words:
        assert all(may_be_praised(result, found) for result in others if result.status == "ok"), where


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", autouse=True)
def _no_drawings() -> Iterator[None]:
    """Reports without their figures, which take most of the time and have no sentences."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (html, evaluation_html):
            patch.setattr(module, "chart", lambda key, title, *_, **__: Chart(key, title, "", Markup("{}")))
        yield


def page_of(text: str) -> str:
    """What a person reads of a report: not its style and scripts."""
    return unescape(text.split("<main>")[1].split("<script")[0])


def printed(blocks_of: Any, record: Any) -> str:
    with redirect_stdout(StringIO()) as said:
        display().show(*blocks_of(record))
    return said.getvalue()


@given(comparisons())
@MANY
def test_no_sentence_praises_a_comparison_without_evidence(found: Comparison) -> None:
    said = verdict(found)
    check(f"{said.plain} {said.why}", found, where="verdict")
    check(unescape(cards_html(finished_state(found))), found, where="cards")
    check(unescape(relative_html(found)), found, where="table")
    check(printed(comparison_blocks, found), found, where="terminal")
    check(to_csv(found), found, where="csv")
    check(KINDS[kind_of(found)].summary(found).headline, found, where="history list")
    for against in AGAINST:
        for point in comparison_trades(found, against).front:
            assert point.place == 0 or may_be_praised(found.variants[point.place], found), against


@given(comparisons())
@settings(MANY, max_examples=25)
def test_no_report_praises_a_comparison_without_evidence(found: Comparison) -> None:
    check(page_of(to_html(found)), found, where="report")


@given(comparisons(), comparisons())
@settings(MANY, max_examples=60)
def test_no_difference_between_runs_is_one_of_speed_without_evidence(before: Comparison, after: Comparison) -> None:
    for run in (before, after):
        assert not any("faster" in figure.said or "slower" in figure.said for one in figures_of(run).variants for figure in one.figures)
    changes = difference(before, after)
    told = any(word in change.words for one in changes.variants for change in one.changes for word in ("faster", "slower"))
    if told or "faster" in changes.headline or "slower" in changes.headline:
        for run in (before, after):
            assert run.noise_floor is not None and run.noise_floor.relative <= 0.3
            assert run.rounds is None or run.rounds.busy is None or run.rounds.busy <= 0.1
            assert any(len(result.latency.total_s.runs) >= 3 for result in run.variants if result.latency is not None)


# ── evaluations ──────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    total = draw(st.sampled_from([10, 300]))
    rights = [[place >= wrong for place in range(total)] for wrong in (draw(st.sampled_from([0, 1, total // 2, total])) for _ in range(3))]
    made = evaluation(*rights)
    floor = draw(st.none() | st.builds(_floor, mostly(st.sampled_from([0.01, 0.05, 0.6])), st.sampled_from([1, 200])))
    results = tuple(_changed(result, draw, original=not place) for place, result in enumerate(made.variants))
    return made.model_copy(update={"noise_floor": floor, "variants": results})


def _floor(relative: float | None, items: int) -> EvaluationNoise:
    return EvaluationNoise.model_construct(relative=nan if relative is None else relative, first_s=1.0, again_s=1.0, items=items, changed=0)


def _changed(result: EvaluatedVariant, draw: st.DrawFn, *, original: bool) -> EvaluatedVariant:
    changes: dict[str, Any] = {"scores_finite": draw(st.sampled_from([True, None, False])) if original else None}
    if not original:
        changes |= {"coverage": draw(COVERAGES), "speedup": draw(mostly(st.sampled_from([0.5, 1.01, 2.0])))}
        if result.paired is not None:
            changes["paired"] = result.paired.model_copy(update={"p_value": draw(rarely(nan, result.paired.p_value))})
    if draw(rarely(True, False)):
        changes |= {"status": "failed", "accuracy": None, "items": (), "paired": None, "drop": None, "error": OUT_OF_MEMORY}
    return result.model_copy(update=changes)


def basis(found: Evaluation) -> bool:
    original = found.variants[0]
    return original.accuracy is not None and original.accuracy.successes > 0 and original.scores_finite is not False


def check_evaluation(words: str, found: Evaluation, *, where: str) -> None:
    others, floor = found.variants[1:], found.noise_floor
    judged = [result for result in others if basis(found) and result.items and quantized(result.scheme.lower(), result.coverage)]
    if not judged:
        for praise in ("as well", " gains ", "o difference found", "ew questions to tell", "clearly better"):
            assert praise not in words, f"{where}: {praise}"
    if all(result.drop is None or result.drop > 0.02 for result in judged):
        assert "as well as" not in words, where
    timed = floor is not None and 0 <= floor.relative <= 0.3 and floor.items > found.request.batch_size
    speeds = [result.speedup for result in judged if number(result.speedup)] if timed else []
    spoken = words.replace("None is faster", "")
    assert "faster" not in spoken or any(speed is not None and speed > 1 + (floor.relative if floor else 0) for speed in speeds), where
    assert "slower" not in spoken or any(speed is not None and speed < 1 for speed in speeds), where


@given(evaluations())
@settings(MANY, max_examples=60)
def test_no_sentence_praises_an_evaluation_without_evidence(found: Evaluation) -> None:
    said = evaluation_verdict(found)
    check_evaluation(f"{said.plain} {said.why}", found, where="verdict")
    check_evaluation(printed(evaluation_blocks, found), found, where="terminal")
    check_evaluation(unescape(rows_html(found)), found, where="table")
    check_evaluation(KINDS[kind_of(found)].summary(found).headline, found, where="history list")
    for against in AGAINST:
        for point in evaluation_trades(found, against).front:
            assert point.place == 0 or (
                basis(found) and quantized(found.variants[point.place].scheme, found.variants[point.place].coverage)
            )


@given(evaluations())
@settings(MANY, max_examples=15)
def test_no_report_praises_an_evaluation_without_evidence(found: Evaluation) -> None:
    check_evaluation(page_of(evaluation_to_html(found)).split("Question by question")[0], found, where="report")
