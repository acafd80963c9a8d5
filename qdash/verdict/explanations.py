"""The four questions that people are left with after quantizing a model in a notebook, answered from a variant's own numbers.

Why does dtype name a type of 16 or 32 bits? Why did the parameter count fall? Why is the file not as large as estimated? Why is it
slower? Each answer is built from what was counted, written and timed, so that it holds for the model at hand, and says so where a
question does not arise. Explanations are kept in records, so they are English; whoever shows them translates them.
"""

from qdash.catalog.families.bitsandbytes import LLM_INT8
from qdash.catalog.kernel_work import rounding_inputs, unpacking_weights
from qdash.catalog.scheme import Family
from qdash.catalog.schemes import find_scheme
from qdash.present.coverage import covered, left_unusual, left_words
from qdash.present.formatting import and_listed, mib, ms
from qdash.present.language import N_, SOURCE, _, decimal, in_language, ngettext
from qdash.records import Comparison, Explanation, InspectorReport, QuantizedInside, VariantResult
from qdash.verdict.evidence import pace_of

SAME = 0.01
"""Sizes that differ by less are called the same: a file's header, a few buffers."""


@in_language(SOURCE)
def explain(report: InspectorReport, result: VariantResult | None = None, measured: Comparison | None = None) -> tuple[Explanation, ...]:
    """Answer the four questions. `result`: what was measured of this variant in the finished comparison `measured`, if anything was."""
    return (_dtype(report), *_left(report), _count(report), _size(report), _speed(report, result, measured))


def _explained(question: str, *sentences: str) -> Explanation:
    return Explanation(question=question, answer=" ".join(filter(None, sentences)))


def _dtype(report: InspectorReport) -> Explanation:
    return _explained(_("Why does dtype say {dtype}?", dtype=report.dtype), *_what_dtype_names(report))


def _what_dtype_names(report: InspectorReport) -> list[str]:
    inside, dtype = report.quantized, report.dtype
    if inside is None:
        held, memory = _bytes(sum(part.stored.get(dtype, 0) for part in report.parts)), _bytes(report.weights_bytes)
        return [_("Because nothing is quantized: {held} of the {size} in memory are {dtype}.", held=held, size=memory, dtype=dtype)]
    layers, weights = _layers(inside), decimal(inside.parameters)
    values = {"layers": layers, "weights": weights, "dtype": dtype}
    if _unpacked(report, inside) and report.kind == "real":
        unpacked = N_(
            "Because the {weights} weights of {layers}, packed in the checkpoint's files, were unpacked to {dtype} when it was loaded: "
            "there is no kernel for its format here."
        )
        return [_(unpacked, **values)]
    if all(family.prunes for family in _families(inside)):
        masked = N_("Because nothing is quantized: in {layers} some weights were made zero, and all are {dtype} as before.")
        cut = N_(
            "Because nothing is quantized: some weights were cut out, and the {weights} that are left in {layers} are {dtype} as before."
        )
        return [_(masked if report.kind == "simulated" else cut, **values)]
    if report.kind == "simulated" and _all_simulated(inside):
        simulated = N_(
            "Because {name} is simulated: the {weights} weights of {layers} were rounded to the format's values, and these are held and "
            "multiplied as {dtype}."
        )
        return [_(simulated, **values, name=report.label)]
    left = N_("What is not quantized, such as embeddings and norms, {number} numbers in all, is left in {dtype}.")
    held = N_("The {weights} weights of {layers} are held as {amounts}, scales included, and multiplied in {types}.")
    return [
        _("dtype names the type of the model's first floating-point parameter."),
        _(left, number=decimal(report.parameters - inside.parameters), dtype=dtype),
        _(held, weights=weights, layers=layers, amounts=_amounts(inside.stored), types=_listed(inside.computes_in)),
        *(family.dtype_remark for family in _families(inside)),
    ]


def _left(report: InspectorReport) -> tuple[Explanation, ...]:
    """Asked only where more was left than embeddings and the output head."""
    coverage = report.coverage
    if coverage is None or not coverage.skipped or not left_unusual(coverage):
        return ()
    done = covered(coverage) if coverage.quantized_parameters else _("nothing in this model")
    others = left_words(coverage) or _("all of them")
    if coverage.pruned_alone:
        return (_explained(_("Why is so much not pruned?"), _("{amount}.", amount=done), _("Left as they are: {parts}.", parts=others)),)
    quantizes = _("“{scheme}” quantizes {amount}.", scheme=report.label, amount=done)
    return (_explained(_("Why is so much not quantized?"), quantizes, _("Not quantized: {parts}.", parts=others)),)


def _count(report: InspectorReport) -> Explanation:
    return _explained(_("Why did the parameter count fall?"), *_why_the_count_fell(report))


def _why_the_count_fell(report: InspectorReport) -> list[str]:
    inside, counted, parameters = report.quantized, decimal(report.counted), decimal(report.parameters)
    pruned = report.coverage.pruned if report.coverage is not None else None
    if pruned is not None and pruned.removed:
        gone = N_("Because {removed} of {weights} were cut out; torch counts {counted}.")
        return [_(gone, removed=decimal(pruned.removed), weights=decimal(pruned.weights), counted=counted)]
    if report.counted == report.parameters:
        smaller = inside is not None and report.kind == "real" and report.weights_bytes < report.estimate_bytes * (1 - SAME)
        same = _("It did not: torch counts {counted}, one for every weight.", counted=counted)
        return [same, _("What fell is the size of each.") if smaller else ""]
    if inside is None or report.counted > report.parameters:
        more = N_("It did not: the model has {parameters}, and torch counts {counted}, because it counts scales as parameters.")
        return [_(more, parameters=parameters, counted=counted)]
    weights, of_these, why = decimal(inside.parameters), decimal(inside.counted), _uncounted(inside)
    finds = N_("It did not really: the model still has {parameters}, and torch finds {counted}.")
    counts = N_("Of the {weights} weights in {layers} it counts {counted}, because {reasons}.")
    return [
        _(finds, parameters=parameters, counted=counted),
        _(counts, weights=weights, layers=_layers(inside), counted=of_these, reasons=why),
    ]


def _uncounted(inside: QuantizedInside) -> str:
    """Why torch counts fewer quantized weights than there are."""
    uncounted = [family.uncounted for family in _families(inside) if family.uncounted]
    shared = any((find_scheme(key).bits or 16) <= 4 for key in inside.schemes) or not uncounted
    reasons = [_("weights of few bits share a stored number, such as two 4-bit weights in a byte")] if shared else []
    first, *more = reasons + uncounted
    for reason in more:
        first = _("{reason} and {another}", reason=first, another=reason)
    return first


def _size(report: InspectorReport) -> Explanation:
    each = report.estimate_bytes // max(report.counted, 1)
    estimate, memory = _bytes(report.estimate_bytes), _bytes(report.weights_bytes)
    estimated = {"counted": decimal(report.counted), "bytes": each, "dtype": report.dtype, "estimate": estimate}
    if report.saved_bytes is None or report.saved_as is None:
        reason = (report.not_saved or "").rstrip(".")
        nothing = _("There is no file to compare: {reason}.", reason=reason) if reason else _("There is no file to compare.")
        told = N_("The estimate, {counted} counted numbers at {bytes} bytes ({dtype}), is {estimate}; {memory} are actually in memory.")
        question = _("Why does the file differ from the estimate?")
        return _explained(question, nothing, _(told, **estimated, memory=memory), _footprint(report))
    told = N_("The estimate, {counted} counted numbers at {bytes} bytes ({dtype}), is {estimate}; the file is {file}, and holds {amounts}.")
    written = _(told, **estimated, file=_bytes(report.saved_bytes), amounts=_amounts(report.saved_as))
    question, *answer = _against_the_estimate(report, report.saved_bytes, written, each)
    return _explained(question, *answer, _projected(report), _footprint(report))


def _against_the_estimate(report: InspectorReport, saved_bytes: int, written: str, each: int) -> tuple[str, ...]:
    """The question, and the sentences that answer it."""
    if _alike(saved_bytes, report.estimate_bytes):
        return _("Why does the file differ from the estimate?"), _("It does not."), written
    if saved_bytes < report.estimate_bytes:
        charged = _("The estimate charges {bytes} bytes for every number, even for those stored in fewer.", bytes=each)
        return _("Why is the file smaller than the estimate?"), written, charged
    left_out = _("The estimate leaves out what comes with the numbers: scales, tables, the file's header.")
    return _("Why is the file larger than the estimate?"), written, left_out


def _projected(report: InspectorReport) -> str:
    """How small the file of a simulated format would be."""
    if report.projected_bytes is None:
        return ""
    if report.coverage is not None and report.coverage.pruned_alone:
        pruned = N_("It holds zeros as {dtype} like any other number; as a sparse file, a mask and the other values, it would take {size}.")
        return _(pruned, dtype=report.dtype, size=_bytes(report.projected_bytes))
    told = N_("It holds the rounded values as {dtype}; if they were stored as {scheme}, the weights would take {size}.")
    return _(told, dtype=report.dtype, scheme=report.label, size=_bytes(report.projected_bytes))


_LESS = N_("get_memory_footprint() says {footprint} because it leaves out scales and what is packed; the exact size is {size}.")
_MORE = N_("get_memory_footprint() says {footprint} because it treats quantized tensors as plain ones; the exact size is {size}.")


def _footprint(report: InspectorReport) -> str:
    """What transformers' own estimate says, where it is wrong."""
    if _alike(report.footprint_bytes, report.weights_bytes):
        return ""
    told = _LESS if report.footprint_bytes < report.weights_bytes else _MORE
    return _(told, footprint=_bytes(report.footprint_bytes), size=_bytes(report.weights_bytes))


def _alike(one: int, other: int) -> bool:
    """Whether two sizes are the same to a reader: so close that it does not matter, or shown by the same words."""
    return abs(one - other) <= SAME * other or _bytes(one) == _bytes(other)


_SLOWER, _FASTER, _EITHER = N_("Why is it slower?"), N_("Why is it faster?"), N_("Why is it slower, or faster?")


def _speed(report: InspectorReport, result: VariantResult | None, measured: Comparison | None) -> Explanation:
    work, baseline = _work(report), measured.variants[0] if measured else None
    if result is None or baseline is None or result.latency is None or baseline.latency is None:
        return _explained(_(_EITHER), _("It was not timed."), work)
    if result.scheme == baseline.scheme and result.model == baseline.model:
        return _explained(_(_EITHER), _("It is what the others are compared with."))
    own, other = ms(result.latency.total_s.median), ms(baseline.latency.total_s.median)
    times = _("{time} vs. {other} for {baseline}, for an answer of the same length", time=own, other=other, baseline=baseline.label)
    pace = pace_of(result, measured)
    if report.kind == "simulated":
        return _explained(_(_SLOWER), _("Its time says nothing about the format: {times}.", times=times), work)
    if pace.told == "untold":
        reason = pace.why or _("there is no sound measurement to compare it by")
        return _explained(_(_EITHER), _("The two are not compared: {reason}.", reason=reason), work)
    if pace.told == "same":
        return _explained(_(_SLOWER), _("It is not: {times}, a difference within measurement noise.", times=times), work)
    takes = _("It takes {times}: it is {faster_or_slower}.", times=times, faster_or_slower=pace.words)
    if pace.told == "slower":
        return _explained(_(_SLOWER), takes, work)
    return _explained(_(_FASTER), takes, work, _reads_less(report, baseline))


def _reads_less(report: InspectorReport, baseline: VariantResult) -> str:
    """Another reason for being faster, where it holds."""
    if baseline.memory is None or report.weights_bytes >= baseline.memory.weights_bytes * (1 - SAME):
        return ""
    size, other = _bytes(report.weights_bytes), _bytes(baseline.memory.weights_bytes)
    return _("It also reads less for every token: {size} instead of {other}.", size=size, other=other)


def _work(report: InspectorReport) -> str:
    """What is done for every token, one sentence for each scheme that quantized a layer."""
    inside = report.quantized
    if inside is None:
        told = N_("Its layers multiply in {dtype} without unpacking; their speed depends on how fast this device computes in that type.")
        return _(told, dtype=report.dtype)
    if report.scheme in inside.schemes and find_scheme(report.scheme).is_baseline:
        return _published_work(report, inside)
    return " ".join(scheme.family.kernel_work(scheme, report.dtype) for scheme in map(find_scheme, inside.schemes))


def _published_work(report: InspectorReport, inside: QuantizedInside) -> str:
    """The same for a checkpoint that was quantized before it was published, which names no scheme."""
    if _unpacked(report, inside):
        told = N_("There is no kernel for its format here: its weights were unpacked to {dtype} when it was loaded.")
        return _(told, dtype=report.dtype)
    if "int8" in inside.computes_in and "float16" in inside.computes_in:
        return LLM_INT8
    if inside.computes_in and inside.computes_in[0].startswith(("int", "float8")):
        return rounding_inputs(N_("It rounds"), "finding its range first")
    return unpacking_weights(N_("It reads few bits"))


def _unpacked(report: InspectorReport, inside: QuantizedInside) -> bool:
    """Whether most of what quantized layers hold is plain floats."""
    return inside.stored.get(report.dtype, 0) > sum(inside.stored.values()) / 2


def _families(inside: QuantizedInside) -> tuple[Family, ...]:
    return tuple(dict.fromkeys(find_scheme(key).family for key in (*inside.schemes, *inside.experts)))


def _all_simulated(inside: QuantizedInside) -> bool:
    return all(find_scheme(key).kind == "simulated" for key in (*inside.schemes, *inside.experts))


def _layers(inside: QuantizedInside) -> str:
    layers = ngettext("{number} quantized layer", "{number} quantized layers", inside.layers)
    experts = sum(inside.experts.values())
    if not experts:
        return layers
    return ngettext(
        "{layers} and {number} tensor of fused experts", "{layers} and {number} tensors of fused experts", experts, layers=layers
    )


def _amounts(stored: dict[str, int]) -> str:
    large = [(dtype, size) for dtype, size in stored.items() if size >= SAME * sum(stored.values())]
    return _listed([_("{size} of {dtype}", size=_bytes(size), dtype=dtype) for dtype, size in large])


def _bytes(size: int) -> str:
    return mib(size) if size >= 2**20 / 10 else f"{size / 2**10:.1f} KiB"


def _listed(words: list[str] | tuple[str, ...]) -> str:
    return and_listed(list(words)) if words else _("nothing")
