"""What of a run can be compared with another's: conditions and figures, each with what chance does to it, whatever kind of run it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot, isfinite
from typing import Literal

from qdash.catalog.schemes import libraries
from qdash.history.kinds import Kept
from qdash.present.formatting import between, mib, ms, percent
from qdash.present.language import N_, _, ngettext, recorded
from qdash.records import BUSY_SHARE, Agreement, Comparison, EvaluatedVariant, Evaluation, Host, NoiseFloor, Proportion, Rule, VariantResult
from qdash.verdict.evidence import has_finite_original
from qdash.verdict.pace import BUSY, BUSY_NOISE, FEW, LEAST_NOISE, LEAST_ROUNDS, UNKNOWN_NOISE, TimePart, time_noise

_Z = 1.96
PEAK_NOISE = 0.02
"""A peak is sampled; how far an allocator goes differs a little from run to run."""

_ASKED = ("question", "picture")
_STATUSES = {"ok": N_("ran"), "failed": N_("failed"), "skipped": N_("not run")}
_RULES: dict[Rule, str] = {"exact": N_("exact"), "first_word": N_("first word"), "words": N_("words")}


@dataclass(frozen=True)
class Condition:
    """Compared by `value`, shown as `said`. `name` is English: it is a key, which is translated where it is shown."""

    name: str
    value: object
    said: str


@dataclass(frozen=True)
class Figure:
    """A number, or words such as an answer. `name` is a key as well; `unsure` is English.

    `better`: 1 for larger, −1 for smaller, 0 if neither is. `noise` is the share by which chance moves it, `spread` the same as a number,
    `interval` its 95% interval; `unsure`: why a difference cannot be judged, empty where it can.
    `needs`: conditions that must be the same for two of them to be compared.
    """

    name: str
    value: float | str
    said: str
    better: Literal[-1, 0, 1] = 0
    noise: float = 0.0
    spread: float = 0.0
    interval: tuple[float, float] | None = None
    unsure: str = ""
    needs: tuple[str, ...] = ()
    spoken: Literal["speed", "share", "points", "times"] = "share"

    def same_as(self, other: "Figure") -> bool:
        """Whether two numbers differ by no more than chance may do."""
        one, two = self.value, other.value
        assert not isinstance(one, str) and not isinstance(two, str)
        if self.interval and other.interval:
            return _overlap(one, self.interval, two, other.interval)
        small, large = sorted((abs(one), abs(two)))
        within = small > 0 and (one > 0) == (two > 0) and large / small - 1 <= self.noise + other.noise
        return within or abs(one - two) <= hypot(self.spread, other.spread)

    def spoken_change(self, before: float, after: float) -> str:
        """The change in words; a change from 0 or to it has no ratio."""
        if self.spoken == "points":
            return _("{number} points", number=f"{(after - before) * 100:+.1f}".replace("-", "−"))
        if not before or not after:
            return _("changed")
        ratio = after / before
        if self.spoken == "speed":
            slower, faster = N_("{factor}× slower"), N_("{factor}× faster")
            return _(slower, factor=f"{ratio:.2f}") if ratio > 1 else _(faster, factor=f"{1 / ratio:.2f}")
        if self.spoken == "times" or ratio > 10 or ratio < 0.1:
            return f"{ratio:.2f}×" if ratio < 100 else f"{ratio:.0f}×"
        return f"{(ratio - 1) * 100:+.1f}%".replace("-", "−")


@dataclass(frozen=True)
class VariantFigures:
    """The figures of one variant, in the order of a table."""

    model: str
    scheme: str
    label: str
    kind: str
    bits: int | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Figures:
    """All of a run."""

    conditions: tuple[Condition, ...]
    variants: tuple[VariantFigures, ...]


def figures_of(record: Kept) -> Figures:
    """What can be compared of `record`."""
    return _comparison(record) if isinstance(record, Comparison) else _evaluation(record)


def _overlap(one: float, first: tuple[float, float], two: float, second: tuple[float, float]) -> bool:
    """Whether the 95% interval of the difference of two shares holds 0 (Newcombe 1998, method 10, from their own intervals)."""
    low, high = (one, first), (two, second)
    if one > two:
        low, high = high, low
    return high[0] - low[0] <= hypot(low[1][1] - low[0], high[0] - high[1][0])


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────


def _comparison(comparison: Comparison) -> Figures:
    request, baseline = comparison.request, comparison.variants[0]
    measurement, picture = request.measurement, request.picture
    conditions = (
        Condition(N_("model"), baseline.model, baseline.model),
        Condition(N_("question"), request.prompt, _short(request.prompt) or _("not shared")),
        Condition(
            N_("picture"),
            picture.sha256 if picture else None,
            f"{picture.width} × {picture.height}, {picture.sha256[:8]}" if picture else _("none"),
        ),
        Condition(N_("number of tokens"), measurement.max_new_tokens, str(measurement.max_new_tokens)),
        Condition(N_("timed runs"), measurement.runs, str(measurement.runs)),
        Condition(N_("warm-up"), measurement.warmup, str(measurement.warmup)),
        Condition(N_("answer limit"), measurement.max_answer_tokens, str(measurement.max_answer_tokens)),
        Condition(N_("baseline data type"), baseline.dtype, baseline.dtype or _("unknown")),
        *_host(comparison.host, comparison.qdash_version),
    )
    variants = tuple(
        VariantFigures(
            result.model, result.scheme, result.label, result.kind, result.bits,
            tuple(_result(result, comparison, original=not index)),
        )
        for index, result in enumerate(comparison.variants)
    )  # fmt: skip
    return Figures(conditions, variants)


def _host(host: Host, version: str) -> Iterator[Condition]:
    yield Condition(N_("device"), host.device_name, host.device_name)
    yield Condition(N_("threads"), host.threads, str(host.threads))
    yield Condition(N_("execution"), host.execution, recorded(host.execution))
    yield Condition(N_("platform"), host.platform, host.platform)
    for package in libraries():
        if package in host.versions:
            yield Condition(package, host.versions[package], host.versions[package])
    yield Condition("qdash", version, version)


def _result(result: VariantResult, comparison: Comparison, *, original: bool) -> Iterator[Figure]:
    yield Figure(N_("status"), result.status, _(_STATUSES[result.status]))
    if result.answer is not None:
        yield Figure(N_("answer"), result.answer.strip(), _short(result.answer), needs=(*_ASKED, "answer limit"))
    if result.kind == "real":
        yield from _times(result, comparison)
        if result.memory is not None:
            peak = result.memory.peak_bytes
            yield _size(N_("weights"), result.memory.weights_bytes)
            if peak is not None:
                yield Figure(N_("peak"), peak, mib(peak), -1, noise=PEAK_NOISE, needs=(*_ASKED, "number of tokens"))
    elif result.memory is not None and result.memory.projected_bytes:
        yield _size(N_("weights, projected"), result.memory.projected_bytes)
    if result.memory is not None:
        yield _size(N_("on disk"), result.memory.saved_bytes)
    if result.agreement is not None and not original and has_finite_original(result, comparison.variants[0], comparison):
        yield from _agreement(result.agreement, comparison.noise_floor)


def _times(result: VariantResult, comparison: Comparison) -> Iterator[Figure]:
    if result.latency is None:
        return
    parts: tuple[tuple[str, TimePart, tuple[str, ...]], ...] = (
        (N_("total"), "total", (*_ASKED, "number of tokens")),
        (N_("first token"), "ttft", _ASKED),
        (N_("per token"), "tpot", ()),
    )
    for name, part, needs in parts:
        timing = getattr(result.latency, f"{part}_s")
        if isfinite(timing.median):
            noise, median = time_noise(result, comparison, part), timing.median
            unsure = _unsure_time(comparison, noise, len(timing.runs))
            yield Figure(name, median, ms(median), -1, noise=noise if isfinite(noise) else 0.0, unsure=unsure, needs=needs, spoken="speed")


def _unsure_time(comparison: Comparison, noise: float, runs: int) -> str:
    """Why a time of this run cannot be compared with another run's; empty where it can."""
    rounds = comparison.rounds
    if not isfinite(noise):
        return UNKNOWN_NOISE
    if noise > BUSY_NOISE or (rounds is not None and rounds.busy is not None and not rounds.busy <= BUSY_SHARE):
        return BUSY
    return FEW if runs < LEAST_ROUNDS else ""


def _size(name: str, size: int) -> Figure:
    return Figure(name, size, mib(size), -1)


def _agreement(agreement: Agreement, floor: NoiseFloor | None) -> Iterator[Figure]:
    needs = (*_ASKED, "answer limit")
    if agreement.kl_mean_nats is not None and isfinite(agreement.kl_mean_nats):
        error = agreement.kl_se if agreement.kl_se is not None and isfinite(agreement.kl_se) else None
        spread = max(_Z * (error or 0.0), (floor.kl_nats or 0.0) if floor else 0.0)
        said = f"{agreement.kl_mean_nats:.3g} ± {spread:.1g} nats" if error is not None else f"{agreement.kl_mean_nats:.3g} nats"
        unsure = "" if error is not None else N_("its random error is not known")
        yield Figure(
            "KL", agreement.kl_mean_nats, said, -1, spread=spread, unsure=unsure, needs=needs, spoken="times"
        )  # fmt: skip
    one = 1 / max(agreement.tokens, 1)
    yield Figure(N_("same top word"), agreement.top1, percent(agreement.top1), 1, spread=one, needs=needs, spoken="points")


# ── evaluations ──────────────────────────────────────────────────────────────────────────────────────────────────


def _evaluation(evaluation: Evaluation) -> Figures:
    request, baseline = evaluation.request, evaluation.variants[0]
    asked = [(item.prompt, item.answers, item.picture.sha256 if item.picture else None) for item in evaluation.questions]
    conditions = (
        Condition(N_("model"), baseline.model, baseline.model),
        Condition(N_("task"), request.task, recorded(evaluation.task_label)),
        Condition(N_("set of questions"), asked, ngettext("{number} question", "{number} questions", len(asked))),
        Condition(N_("rule"), evaluation.rule, _(_RULES[evaluation.rule])),
        Condition(N_("token limit"), evaluation.max_new_tokens, str(evaluation.max_new_tokens)),
        Condition(N_("batch size"), request.batch_size, str(request.batch_size)),
        Condition(N_("baseline data type"), baseline.dtype, baseline.dtype or _("unknown")),
        *_host(evaluation.host, evaluation.qdash_version),
    )
    variants = tuple(
        VariantFigures(result.model, result.scheme, result.label, result.kind, result.bits, tuple(_evaluated(result, evaluation)))
        for result in evaluation.variants
    )
    return Figures(conditions, variants)


def _evaluated(result: EvaluatedVariant, evaluation: Evaluation) -> Iterator[Figure]:
    yield Figure(N_("status"), result.status, _(_STATUSES[result.status]))
    needs = ("task", "set of questions", "rule", "token limit")
    for name, share in ((N_("accuracy"), result.accuracy), (N_("last word"), result.last_word)):
        if share is not None:
            yield _share(name, share, needs)
    floor = evaluation.noise_floor
    if result.kind == "real" and result.per_item_s is not None and result.status == "ok":
        noise = max(floor.relative, LEAST_NOISE) if floor and isfinite(floor.relative) else 0.0
        yield Figure(
            N_("per question"), result.per_item_s, ms(result.per_item_s), -1,
            noise=noise, unsure=UNKNOWN_NOISE if not noise else BUSY if noise > BUSY_NOISE else "",
            needs=("task", "set of questions", "token limit", "batch size"), spoken="speed",
        )  # fmt: skip
    if result.kind == "real" and result.weights_bytes is not None:
        yield _size(N_("weights"), result.weights_bytes)
    elif result.projected_bytes is not None:
        yield _size(N_("weights, projected"), result.projected_bytes)


def _share(name: str, share: Proportion, needs: tuple[str, ...]) -> Figure:
    said = f"{percent(share.value, 1)} ({between(share.low, share.high)})"
    return Figure(name, share.value, said, 1, interval=(share.low, share.high), needs=needs, spoken="points")


def _short(text: str, longest: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
