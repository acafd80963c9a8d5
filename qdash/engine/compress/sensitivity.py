"""What each layer costs: quantized alone under each scheme, how far the model then is from the original along the original's own answers.

Every layer is measured where that does not take too long. Otherwise all are estimated (see `estimate`), and some of them measured as well,
to tell how far the estimate can be trusted.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import closing
from time import perf_counter

from transformers import PreTrainedModel

from qdash.catalog.schemes import Scheme, find_scheme
from qdash.engine.compress.answers import Answers, Followed, Stop
from qdash.engine.compress.estimate import estimates
from qdash.engine.compress.one_layer import OneLayer, every_one, other_bytes, quantized_alone
from qdash.engine.failures import cancelled, layer_failure
from qdash.engine.generation import answer
from qdash.engine.prompting import Processor, before_marker, build_inputs, check_question, plain_inputs, read_image, tokenizer_of
from qdash.engine.quality import record_reference
from qdash.engine.schemes import QuantizeContext
from qdash.errors import QdashError
from qdash.records import FollowedItem, LayerDamage, Question, SensitivityBegun, SensitivityRequest, Step

CHECKED = 12
"""Layers that are measured as well where all are estimated, at least."""

REPLAYED_SHARE = 0.7
"""About what is left of a pass, where what comes before a layer is not computed again."""

Emit = Callable[[Step | SensitivityBegun | LayerDamage], None]


class Sensitivity:
    """One loaded model in plain floats, and the answers that its layers' damage is measured on."""

    def __init__(self, model: PreTrainedModel, processor: Processor, build: QuantizeContext, emit: Emit, stop: Stop) -> None:
        self.model, self.processor, self.build, self.emit, self.stop = model, processor, build, emit, stop

    def find(self, request: SensitivityRequest) -> SensitivityBegun:
        """Emit how it is found out, and then every layer under every scheme that takes it.

        Where all are estimated, those that are measured as well come a second time. Raises QdashError: "bad_input" if no scheme takes a
        layer or no question fits, "cancelled".
        """
        ones = every_one(self.model, [find_scheme(key) for key in request.schemes], self.build.spec)
        if not ones:
            raise QdashError("None of these schemes quantizes a layer of this model.", "Choose other schemes.")
        followed = [self._followed(item, done, len(request.items)) for done, item in enumerate(request.items)]
        names = list(dict.fromkeys(one.name for one in ones))
        answers = Answers(followed, names, self.stop)
        expected_s = len(ones) * answers.pass_s * REPLAYED_SHARE
        method = request.method or ("measured" if expected_s <= request.within_s else "estimated")
        begun = SensitivityBegun(
            method=method, tokens=sum(len(one.reference.tokens) for one in followed), fixed_bytes=other_bytes(self.model, set(names)),
            dtype=str(self.model.dtype).removeprefix("torch."), entries=len(ones),
        )  # fmt: skip
        self.emit(begun)
        if method == "measured":
            self._measure([(one, None) for one in ones], answers)
        else:
            self._measure(_spread(self._estimate(ones, followed)), answers)
        return begun

    def _followed(self, item: FollowedItem, done: int, total: int) -> Followed:
        self._step(done / total / 10, f"answer {done + 1} of {total}")
        question, tokenizer = Question(prompt=item.prompt, plain=item.plain, png=item.png), tokenizer_of(self.processor)
        if item.plain:
            inputs = plain_inputs(self.processor, item.prompt, self.model)
        else:
            check_question(self.processor, question)
            inputs = build_inputs(self.processor, item.prompt, read_image(question), self.model)
        if item.text is not None:
            said = tuple(tokenizer(item.text, add_special_tokens=False)["input_ids"])[: item.max_tokens]
        else:
            said = answer(self.model, tokenizer, inputs, item.max_tokens, lambda text: None, self.stop).tokens
        tokens = before_marker(self.processor, said)
        return Followed(self.model, inputs, record_reference(self.model, tokenizer, inputs, tokens, lambda now, of: None, self.stop))

    def _measure(self, ones: Sequence[tuple[OneLayer, float | None]], answers: Answers) -> None:
        """Quantize each layer alone, and follow the answers; beside each what the estimate said of it, if it was estimated."""
        started = perf_counter()
        for done, (one, estimated) in enumerate(ones):
            left_s = (perf_counter() - started) / done * (len(ones) - done) if done else None
            self._step(done / len(ones), f"layer {done + 1} of {len(ones)}", left_s)
            self.emit(_damage(one, self._measured(one, answers), estimated))

    def _measured(self, one: OneLayer, answers: Answers) -> list[float] | str:
        """The divergence along each answer, or what the layer's kernel failed with: the others are measured all the same."""
        try:
            with quantized_alone(self.model, one, self.build):
                return answers.damage(one.name, together=_row_by_row(one.scheme))
        except Exception as error:
            return layer_failure(error)

    def _estimate(self, ones: Sequence[OneLayer], followed: Sequence[Followed]) -> list[tuple[OneLayer, float]]:
        found: list[tuple[OneLayer, float]] = []
        started = perf_counter()
        self._step(0.0, "going back from the answers")
        with closing(estimates(followed, ones, self.build, self.stop)) as estimated:
            for one, nats in estimated:
                found.append((one, math.nan if isinstance(nats, str) else statistics.fmean(nats)))
                left_s = (perf_counter() - started) / len(found) * (len(ones) - len(found))
                self._step(len(found) / len(ones), f"layer {len(found)} of {len(ones)} estimated", left_s)
                self.emit(_damage(one, nats, None))
        return found

    def _step(self, fraction: float, words: str, left_s: float | None = None) -> None:
        if self.stop():
            raise cancelled()
        self.emit(Step(fraction=fraction, detail=words if left_s is None else f"{words}, about {left_s:.0f} s left"))


def _row_by_row(scheme: Scheme) -> bool:
    """Whether what a row is rounded with cannot depend on the rows beside it; of kernels that round inputs this is not known."""
    return not (scheme.scales_span_rows or (scheme.kind == "real" and scheme.rounds_activations))


def _damage(one: OneLayer, nats: Sequence[float] | str, estimated: float | None) -> LayerDamage:
    """The mean over the answers, with its standard error; `nats` may be what the layer failed with instead."""
    if isinstance(nats, str):
        return one.damage(None, None, estimated_nats=estimated, problem=f"its kernel failed: {nats}")
    if not all(map(math.isfinite, nats)):
        return one.damage(None, None, estimated_nats=estimated, problem="its scores are NaN or infinite")
    error = statistics.stdev(nats) / math.sqrt(len(nats)) if len(nats) > 1 else None
    return one.damage(statistics.fmean(nats), error, estimated_nats=estimated)


def _spread(estimated: Sequence[tuple[OneLayer, float]]) -> list[tuple[OneLayer, float]]:
    """At least `CHECKED` of them, evenly over the ranks of their estimates, least and most included."""
    ranked = sorted((pair for pair in estimated if math.isfinite(pair[1])), key=lambda pair: pair[1])
    places = {round(place * (len(ranked) - 1) / (CHECKED - 1)) for place in range(CHECKED)} if ranked else set()
    return [ranked[place] for place in sorted(places)]
