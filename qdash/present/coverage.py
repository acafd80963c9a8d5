"""How much of a model a scheme quantizes, and what it leaves as it is."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from qdash.present.formatting import mib, percent
from qdash.present.language import N_, _, decimal, recorded
from qdash.present.layer_names import spoken_part
from qdash.records import CacheCoverage, Coverage, PartCoverage, Pruned, Skip

_NUMBER = re.compile(r"\.\d+")


_USUALLY_LEFT = ("embedding", "output head")


def covered(coverage: Coverage) -> str:
    """“62% of the weights, 8 of 9 linear layers”; the layers alone in records that know no more."""
    done, total = coverage.quantized, coverage.total
    if coverage.pruned is not None and coverage.pruned_alone:
        share = part_of_all(coverage.pruned.share)
        return _("{share} of the weights pruned, in {done} of {total} linear layers", share=share, done=done, total=total)
    if coverage.cache is not None and not done:
        return _("no weights, the KV cache alone")
    if coverage.share is None:
        return _("{done} of {total} layers", done=done, total=total)
    return _("{share} of the weights, {done} of {total} linear layers", share=part_of_all(coverage.share), done=done, total=total)


def covered_briefly(coverage: Coverage) -> str:
    """“62%” of the weights, or “8 of 9” layers in records that know no more: for a column. Without any, “KV cache” where that is."""
    if coverage.pruned is not None and coverage.pruned_alone:
        return _("{share} pruned", share=part_of_all(coverage.pruned.share))
    if coverage.cache is not None and not coverage.quantized:
        return _("KV cache")
    return _of(coverage.quantized, coverage.total) if coverage.share is None else part_of_all(coverage.share)


def part_of_all(part: float) -> str:
    """A share that is 0% or 100% only if it is nothing or all: “under 1%”, “over 99%”."""
    if 0 < part < 0.005:
        return _("under {share}", share=percent(0.01))
    return _("over {share}", share=percent(0.99)) if 0.995 <= part < 1 else percent(part)


def covered_by_part(coverage: Coverage) -> str:
    """“vision 90% · language 62%” of the weights; for a recipe with what each part was asked for: “language=bnb-nf4 62% · other 0%”.

    In records that know no weights, layers: “vision 12 of 12”.
    """
    if coverage.pruned is not None and coverage.pruned_alone and not any(part.scheme for part in coverage.parts):
        return pruned_by_part(coverage.pruned)
    parts = ((part, f"={part.scheme}" if part.scheme else "") for part in coverage.parts)
    return " · ".join(f"{spoken_part(part.part)}{asked} {_covered_part(part)}" for part, asked in parts)


def cache_words(cache: CacheCoverage) -> str:
    """“KV cache: 4 bits in groups of 64, 960 B a token (6,144 B as floats); simulated. The newest tokens, up to 128, stay floats.”"""
    values = {
        "bits": decimal(cache.bits), "group": decimal(cache.group_size), "size": decimal(cache.token_bytes),
        "floats": decimal(cache.float_token_bytes), "tokens": decimal(cache.float_tokens),
    }  # fmt: skip
    if cache.backend is None:
        told = N_(
            "KV cache: {bits} bits in groups of {group}, simulated; stored so, a token would take {size} B ({floats} B as floats). "
            "Up to {tokens} of the newest tokens stay floats."
        )
        return _(told, **values)
    told = N_(
        "KV cache: {bits} bits in groups of {group}, by {backend}; a token takes {size} B ({floats} B as floats). "
        "Up to {tokens} of the newest tokens stay floats."
    )
    return _(told, **values, backend=cache.backend)


def pruned_by_part(pruned: Pruned) -> str:
    """“vision 30% · language 28%”: what was pruned of each part's weights."""
    return " · ".join(f"{spoken_part(part.part)} {part_of_all(part.share)}" for part in pruned.parts)


def pruned_words(pruned: Pruned) -> str:
    """How sparse a model is, part by part, and the sizes that this makes and does not make."""
    values = {
        "share": part_of_all(pruned.share), "weights": decimal(pruned.weights), "parts": pruned_by_part(pruned),
        "dense": mib(pruned.dense_bytes), "left": mib(pruned.left_bytes), "sparse": mib(pruned.sparse_bytes or 0),
    }  # fmt: skip
    if pruned.sparse_bytes is None:
        return _("{share} of {weights} weights were cut out ({parts}): of {dense}, {left} are left.", **values)
    if pruned.removed:
        both = N_(
            "{share} of {weights} weights were pruned ({parts}). Without those that were cut out the model takes {left}, not {dense}, "
            "with every zero stored; as a sparse file, a mask of one bit a weight and the values that are not zero, it would take {sparse}."
        )
        return _(both, **values)
    told = N_(
        "{share} of {weights} weights were pruned ({parts}). With every zero stored, as here, the model takes {dense}; as a sparse file, a "
        "mask of one bit a weight and the values that are not zero, it would take {sparse}."
    )
    return _(told, **values)


def cache_briefly(cache: CacheCoverage) -> str:
    """“4 bits · 960 B a token”."""
    return _("{bits} bits · {size} B a token", bits=decimal(cache.bits), size=decimal(cache.token_bytes))


def _covered_part(part: PartCoverage) -> str:
    if part.quantized_parameters is None or not part.parameters:
        return _of(part.quantized, part.total)
    return part_of_all(part.quantized_parameters / part.parameters)


def _of(done: int, total: int) -> str:
    return _("{done} of {total}", done=done, total=total)


@dataclass(frozen=True)
class Left:
    """Weights that were left as they were for one reason. `names` stands for `count` of them: “model.layers.*.mlp.gate”."""

    names: str
    count: int
    parameters: int | None
    reason: str


def left_alone(coverage: Coverage) -> tuple[Left, ...]:
    """What a scheme did not quantize, alike ones of several blocks together, those with most weights first."""
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in coverage.skipped:
        groups.setdefault((_NUMBER.sub(".*", skip.name), skip.reason), []).append(skip)
    found = [
        Left(names if len(skips) > 1 else skips[0].name, len(skips), _sum(skip.parameters for skip in skips), reason)
        for (names, reason), skips in groups.items()
    ]
    return tuple(sorted(found, key=lambda left: -(left.parameters or 0)))


def left_words(coverage: Coverage) -> str | None:
    """“fused experts 61% (…); embedding 5% (…)”: what was left, as shares of all weights; None where nothing worth naming was."""
    if not coverage.parameters:
        return None
    amounts: Counter[str] = Counter()
    for skip in coverage.skipped:
        amounts[skip.reason] += skip.parameters or 0
    large = [(reason, amount / coverage.parameters) for reason, amount in amounts.most_common() if amount >= 0.01 * coverage.parameters]
    return "; ".join(_left_words(reason, part) for reason, part in large) or None


def left_unusual(coverage: Coverage) -> bool:
    """Whether more was left than embeddings, the output head and what is small: a person will want to know why."""
    usual = sum(skip.parameters or 0 for skip in coverage.skipped if skip.reason.startswith(_USUALLY_LEFT))
    unusual = sum(skip.parameters or 0 for skip in coverage.skipped) - usual
    return bool(coverage.parameters) and (coverage.quantized_parameters == 0 or unusual >= 0.05 * (coverage.parameters or 0))


def _left_words(reason: str, part: float) -> str:
    what, colon, why = reason.partition(": ")
    if not colon:
        return _("linear layers {share} ({reason})", share=part_of_all(part), reason=recorded(reason))
    return _("{what} {share} ({reason})", what=recorded(what), share=part_of_all(part), reason=recorded(why))


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
