"""The four questions that people are left with after quantizing a model in a notebook, answered from a variant's own numbers.

Why does dtype name a type of 16 or 32 bits? Why did the parameter count fall? Why is the file not as large as estimated? Why is it
slower? Each answer is built from what was counted, written and timed, so that it holds for the model at hand, and says so where a
question does not arise.
"""

from qdash.catalog.families.bitsandbytes import LLM_INT8
from qdash.catalog.kernel_work import rounding_inputs, unpacking_weights
from qdash.catalog.scheme import Family
from qdash.catalog.schemes import find_scheme
from qdash.present.coverage import covered, left_unusual, left_words
from qdash.present.formatting import mib, ms
from qdash.records import Comparison, Explanation, InspectorReport, QuantizedInside, VariantResult
from qdash.verdict.evidence import pace_of

SAME = 0.01
"""Sizes that differ by less are called the same: a file's header, a few buffers."""


def explain(report: InspectorReport, result: VariantResult | None = None, measured: Comparison | None = None) -> tuple[Explanation, ...]:
    """Answer the four questions. `result`: what was measured of this variant in the finished comparison `measured`, if anything was."""
    return (_dtype(report), *_left(report), _count(report), _size(report), _speed(report, result, measured))


def _dtype(report: InspectorReport) -> Explanation:
    question = f"Why does dtype say {report.dtype}?"
    inside = report.quantized
    if inside is None:
        held = sum(part.stored.get(report.dtype, 0) for part in report.parts)
        answer = f"Because nothing is quantized: {_bytes(held)} of the {_bytes(report.weights_bytes)} in memory are {report.dtype}."
    elif _unpacked(report, inside) and report.kind == "real":
        answer = (
            f"Because the {inside.parameters:,} weights of {_layers(inside)}, packed in the checkpoint's files, were unpacked to "
            f"{report.dtype} when it was loaded: there is no kernel for its format here."
        )
    elif report.kind == "simulated" and _all_simulated(inside):
        answer = (
            f"Because {report.label} is simulated: the {inside.parameters:,} weights of {_layers(inside)} were rounded to the format's "
            f"values, and these are held and multiplied as {report.dtype}."
        )
    else:
        answer = (
            f"dtype names the type of the model's first floating-point parameter. What is not quantized, such as embeddings and norms, "
            f"{report.parameters - inside.parameters:,} numbers in all, is left in {report.dtype}. The {inside.parameters:,} weights of "
            f"{_layers(inside)} are held as {_amounts(inside.stored)}, scales included, and multiplied in {_listed(inside.computes_in)}."
        )
        answer += "".join(f" {family.dtype_remark}" for family in _families(inside) if family.dtype_remark)
    return Explanation(question=question, answer=answer)


def _left(report: InspectorReport) -> tuple[Explanation, ...]:
    """Asked only where more was left than embeddings and the output head."""
    coverage = report.coverage
    if coverage is None or not coverage.skipped or not left_unusual(coverage):
        return ()
    done = covered(coverage) if coverage.quantized_parameters else "nothing in this model"
    answer = f"“{report.label}” quantizes {done}. Not quantized: {left_words(coverage) or 'all of them'}."
    return (Explanation(question="Why is so much not quantized?", answer=answer),)


def _count(report: InspectorReport) -> Explanation:
    question, inside = "Why did the parameter count fall?", report.quantized
    if report.counted == report.parameters:
        answer = f"It did not: torch counts {report.counted:,}, one for every weight."
        if inside is not None and report.kind == "real" and report.weights_bytes < report.estimate_bytes * (1 - SAME):
            answer += " What fell is the size of each."
    elif inside is None or report.counted > report.parameters:
        answer = (
            f"It did not: the model has {report.parameters:,}, and torch counts {report.counted:,}, because it counts scales as parameters."
        )
    else:
        answer = (
            f"It did not really: the model still has {report.parameters:,}, and torch finds {report.counted:,}. Of the "
            f"{inside.parameters:,} weights in {_layers(inside)} it counts {inside.counted:,}, because {_uncounted(inside)}."
        )
    return Explanation(question=question, answer=answer)


def _uncounted(inside: QuantizedInside) -> str:
    """Why torch counts fewer quantized weights than there are."""
    uncounted = [family.uncounted for family in _families(inside) if family.uncounted]
    shared = any((find_scheme(key).bits or 16) <= 4 for key in inside.schemes) or not uncounted
    reasons = ["weights of few bits share a stored number, such as two 4-bit weights in a byte"] if shared else []
    reasons += uncounted
    return " and ".join(reasons)


def _size(report: InspectorReport) -> Explanation:
    each = report.estimate_bytes // max(report.counted, 1)
    estimate = f"The estimate, {report.counted:,} counted numbers at {each} bytes ({report.dtype}), is {_bytes(report.estimate_bytes)}"
    if report.saved_bytes is None or report.saved_as is None:
        reason = f": {report.not_saved.rstrip('.')}" if report.not_saved else ""
        answer = f"There is no file to compare{reason}. {estimate}; {_bytes(report.weights_bytes)} are actually in memory."
        return Explanation(question="Why does the file differ from the estimate?", answer=answer + _footprint(report))
    ratio = report.saved_bytes / max(report.estimate_bytes, 1)
    written = f"{estimate}; the file is {_bytes(report.saved_bytes)}, and holds {_amounts(report.saved_as)}."
    if _alike(report.saved_bytes, report.estimate_bytes):
        question, answer = "Why does the file differ from the estimate?", f"It does not. {written}"
    elif ratio < 1:
        question = "Why is the file smaller than the estimate?"
        answer = f"{written} The estimate charges {each} bytes for every number, even for those stored in fewer."
    else:
        question = "Why is the file larger than the estimate?"
        answer = f"{written} The estimate leaves out what comes with the numbers: scales, tables, the file's header."
    if report.projected_bytes is not None:
        answer += f" It holds the rounded values as {report.dtype}; if they were stored as {report.label}, the weights would take "
        answer += f"{_bytes(report.projected_bytes)}."
    return Explanation(question=question, answer=answer + _footprint(report))


def _footprint(report: InspectorReport) -> str:
    """What transformers' own estimate says, where it is wrong."""
    if _alike(report.footprint_bytes, report.weights_bytes):
        return ""
    less = report.footprint_bytes < report.weights_bytes
    why = "it leaves out scales and what is packed" if less else "it treats quantized tensors as plain ones"
    return f" get_memory_footprint() says {_bytes(report.footprint_bytes)} because {why}; the exact size is {_bytes(report.weights_bytes)}."


def _alike(one: int, other: int) -> bool:
    """Whether two sizes are the same to a reader: so close that it does not matter, or shown by the same words."""
    return abs(one - other) <= SAME * other or _bytes(one) == _bytes(other)


def _speed(report: InspectorReport, result: VariantResult | None, measured: Comparison | None) -> Explanation:
    work, baseline = _work(report), measured.variants[0] if measured else None
    if result is None or baseline is None or result.latency is None or baseline.latency is None:
        return Explanation(question="Why is it slower, or faster?", answer=f"It was not timed. {work}")
    if result.scheme == baseline.scheme and result.model == baseline.model:
        return Explanation(question="Why is it slower, or faster?", answer="It is what the others are compared with.")
    own, other = result.latency.total_s.median, baseline.latency.total_s.median
    times = f"{ms(own)} vs. {ms(other)} for {baseline.label}, for an answer of the same length"
    pace = pace_of(result, measured)
    if report.kind == "simulated":
        return Explanation(question="Why is it slower?", answer=f"Its time says nothing about the format: {times}. {work}")
    if pace.told == "untold":
        reason = pace.why or "there is no sound measurement to compare it by"
        return Explanation(question="Why is it slower, or faster?", answer=f"The two are not compared: {reason}. {work}")
    if pace.told == "same":
        return Explanation(question="Why is it slower?", answer=f"It is not: {times}, a difference within measurement noise. {work}")
    if pace.told == "slower":
        return Explanation(question="Why is it slower?", answer=f"It takes {times}: it is {pace.words}. {work}")
    answer = f"It takes {times}: it is {pace.words}. {work}"
    if baseline.memory is not None and report.weights_bytes < baseline.memory.weights_bytes * (1 - SAME):
        answer += f" It also reads less for every token: {_bytes(report.weights_bytes)} instead of {_bytes(baseline.memory.weights_bytes)}."
    return Explanation(question="Why is it faster?", answer=answer)


def _work(report: InspectorReport) -> str:
    """What is done for every token, one sentence for each scheme that quantized a layer."""
    inside = report.quantized
    if inside is None:
        return (
            f"Its layers multiply in {report.dtype} without unpacking; their speed depends on how fast this device computes in that type."
        )
    if report.scheme in inside.schemes and find_scheme(report.scheme).is_baseline:
        return _published_work(report, inside)
    return " ".join(scheme.family.kernel_work(scheme, report.dtype) for scheme in map(find_scheme, inside.schemes))


def _published_work(report: InspectorReport, inside: QuantizedInside) -> str:
    """The same for a checkpoint that was quantized before it was published, which names no scheme."""
    if _unpacked(report, inside):
        return f"There is no kernel for its format here: its weights were unpacked to {report.dtype} when it was loaded."
    if "int8" in inside.computes_in and "float16" in inside.computes_in:
        return LLM_INT8
    if inside.computes_in and inside.computes_in[0].startswith(("int", "float8")):
        return rounding_inputs("It rounds", "finding its range first")
    return unpacking_weights("It reads few bits")


def _unpacked(report: InspectorReport, inside: QuantizedInside) -> bool:
    """Whether most of what quantized layers hold is plain floats."""
    return inside.stored.get(report.dtype, 0) > sum(inside.stored.values()) / 2


def _families(inside: QuantizedInside) -> tuple[Family, ...]:
    return tuple(dict.fromkeys(find_scheme(key).family for key in (*inside.schemes, *inside.experts)))


def _all_simulated(inside: QuantizedInside) -> bool:
    return all(find_scheme(key).kind == "simulated" for key in (*inside.schemes, *inside.experts))


def _layers(inside: QuantizedInside) -> str:
    layers = f"{inside.layers:,} quantized {'layer' if inside.layers == 1 else 'layers'}"
    experts = sum(inside.experts.values())
    return f"{layers} and {experts:,} {'tensor' if experts == 1 else 'tensors'} of fused experts" if experts else layers


def _amounts(stored: dict[str, int]) -> str:
    return _listed([f"{_bytes(size)} of {dtype}" for dtype, size in stored.items() if size >= SAME * sum(stored.values())])


def _bytes(size: int) -> str:
    return mib(size) if size >= 2**20 / 10 else f"{size / 2**10:.1f} KiB"


def _listed(words: list[str] | tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"
