"""The JSON documents: their order, that nothing is lost, and that they are what docs/json.md says."""

import json
import math
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.records import Comparison, Evaluation, InspectorReport, Record, WeightReport
from qdash.report import evaluation_to_json, inspection_to_json, to_json, weights_to_json
from tests.report.examples import COMPARISON, WEIGHTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"


def test_a_comparison_round_trips() -> None:
    assert Comparison.model_validate_json(to_json(COMPARISON)) == COMPARISON


def test_a_weight_report_round_trips() -> None:
    assert WeightReport.model_validate_json(weights_to_json(WEIGHTS)) == WEIGHTS


def test_keys_come_in_the_documented_order() -> None:
    data = json.loads(to_json(COMPARISON))
    assert list(data) == ["qdash_version", "created_at", "host", "request", "noise_floor", "rounds", "variants"]
    variant = data["variants"][0]
    assert list(variant)[:12] == [
        "scheme", "label", "kind", "status", "error", "answer", "new_tokens", "latency", "memory", "relative", "coverage", "agreement",
    ]  # fmt: skip
    assert list(variant["latency"]) == ["load_s", "preprocess_s", "ttft_s", "tpot_s", "total_s", "tokens_per_s"]
    assert list(variant["latency"]["ttft_s"]) == ["median", "p10", "p90", "runs"]
    assert list(variant["memory"])[:5] == ["weights_bytes", "load_peak_bytes", "peak_bytes", "saved_bytes", "estimated_bytes"]
    assert list(variant["relative"]) == ["latency", "memory", "tokens_per_s", "total", "ttft", "tpot"]
    assert list(variant["coverage"])[:4] == ["quantized", "total", "skipped", "parts"]
    assert list(variant["coverage"]["skipped"][0])[:2] == ["name", "reason"]
    assert list(data["variants"][2]["agreement"])[:7] == [
        "kl_mean_nats", "kl_se", "top1", "ppl_original", "ppl", "first_divergence", "tokens",
    ]  # fmt: skip
    assert list(data["variants"][4]["error"]) == ["kind", "message", "remedy"]


def test_weights_keep_their_documented_order() -> None:
    data = json.loads(weights_to_json(WEIGHTS))
    scheme = data["schemes"][0]
    assert list(data)[0] == "schemes"
    assert list(scheme)[:7] == ["scheme", "kind", "sqnr_db", "mse", "max_abs_error", "cosine", "layers"]
    assert list(scheme["layers"][0])[:6] == ["name", "shape", "sqnr_db", "mse", "max_abs_error", "cosine"]


def test_text_is_kept_as_it_is() -> None:
    assert "白色背景上有一个黑色的正方形。" in to_json(COMPARISON)


def test_numbers_json_has_no_word_for_are_texts_that_are_read_back() -> None:
    noise = COMPARISON.noise_floor
    assert noise is not None
    odd = COMPARISON.model_copy(update={"noise_floor": noise.model_copy(update={"relative": math.inf, "first_median_s": -math.inf})})
    floor = json.loads(to_json(odd), parse_constant=lambda constant: pytest.fail(constant))["noise_floor"]
    assert (floor["relative"], floor["first_median_s"]) == ("Infinity", "-Infinity")
    assert Comparison.model_validate_json(to_json(odd)) == odd


def drawn(kind: Any, rng: random.Random) -> Any:
    """A value of an annotation: any number for floats, a few entries for what can have many."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _text_like(arguments[1].pattern, rng) if arguments[0] is str else drawn(arguments[0], rng)
    if origin is Literal:
        return rng.choice(arguments)
    if origin in (Union, UnionType):
        return drawn(rng.choice(arguments), rng)
    if origin is tuple:
        kinds = [arguments[0]] * rng.randrange(3) if arguments[-1] is Ellipsis else arguments
        return tuple(drawn(each, rng) for each in kinds)
    if origin is dict:
        return {drawn(arguments[0], rng): drawn(arguments[1], rng) for _ in range(rng.randrange(3))}
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind(**{name: _field(field, rng) for name, field in kind.model_fields.items()})
    return _PLAIN[kind](rng)


def _text_like(pattern: str, rng: random.Random) -> str:
    return rng.choice([text for text in ("cpu", "cuda:1") if re.match(pattern, text)])


def _field(field: Any, rng: random.Random) -> Any:
    """Fields with limits are numbers of runs, tokens and the like, or names, whose pattern pydantic takes out of the annotation."""
    kinds = get_args(field.annotation) or (field.annotation,)
    if not field.metadata or not {int, str} & {*kinds}:
        return drawn(field.annotation, rng)
    patterns = (limit.pattern for limit in field.metadata if hasattr(limit, "pattern"))
    return rng.randint(2, 20) if int in kinds else _text_like(next(patterns), rng)


_NUMBERS = (math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, -2.5)
_PLAIN: dict[Any, Callable[[random.Random], Any]] = {
    float: lambda rng: rng.choice((*_NUMBERS, rng.gauss(0, 1))), int: lambda rng: rng.randint(-(2**53), 2**53),
    str: lambda rng: "".join(rng.choices("a\"\\\n\x00é白😀</script>", k=rng.randrange(8))), bool: lambda rng: rng.random() < 0.5,
    type(None): lambda rng: None, Any: lambda rng: rng.choice((None, 1, "Infinity", [0.5], {"a": True})),
    datetime: lambda rng: datetime.fromtimestamp(rng.randrange(2**31), UTC),
}  # fmt: skip

WRITERS: list[tuple[type[Record], Callable[[Any], str]]] = [
    (Comparison, to_json), (WeightReport, weights_to_json), (Evaluation, evaluation_to_json), (InspectorReport, inspection_to_json),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "write"), WRITERS, ids=lambda value: getattr(value, "__name__", ""))
@given(seed=st.integers(0, 2**32))
def test_every_record_comes_back_as_it_was(kind: type[Record], write: Callable[[Any], str], seed: int) -> None:
    record = drawn(kind, random.Random(seed))
    text = write(record)
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    again = kind.model_validate_json(text)
    assert again.created_at == record.created_at  # type: ignore[attr-defined]
    # By their representation: NaN is not equal to itself.
    assert repr(again.model_dump(exclude={"created_at"})) == repr(record.model_dump(exclude={"created_at"}))
