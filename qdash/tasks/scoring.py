"""From answers to figures: which are right, how many of each kind, and how a variant stands beside the original.

Pure functions over records, so that what a page, a report and a test count is the same.
"""

from collections.abc import Mapping, Sequence

from qdash.records import EvaluatedVariant, ItemResult, Proportion, Reply, Rule, TaskItem
from qdash.stats.binomial import paired, proportion
from qdash.tasks.rules import GRADERS


def grade(reply: Reply, question: TaskItem, rule: Rule, original: Reply | None = None) -> ItemResult:
    """The reply with its verdict: right by the rule for any of the answers that are. `original`: the baseline's reply to this question."""
    correct = any(GRADERS[rule](reply.text, answer) for answer in question.answers)
    item = ItemResult(index=reply.index, answer=reply.text, correct=correct, last_word=reply.on_target)
    place = None if original is None else _parting(reply, original)
    if original is None or place is None:
        return item
    return item.model_copy(update={"margin_original": original.margins[place], "margin": reply.margins[place]})


def _parting(reply: Reply, original: Reply) -> int | None:
    """The first token that is not the original's, the end included; None where there is none, or where the margins there are not known."""
    ours, theirs = reply.tokens, original.tokens
    together = min(len(ours), len(theirs))
    place = next((at for at in range(together) if ours[at] != theirs[at]), together)
    same = ours == theirs
    return None if same or place >= min(len(reply.margins), len(original.margins)) else place


def accuracy_of(items: Sequence[ItemResult]) -> Proportion | None:
    """Share of right answers; None without any answer."""
    return proportion(sum(item.correct for item in items), len(items)) if items else None


def summarize(items: Sequence[ItemResult], questions: Sequence[TaskItem]) -> dict[str, object]:
    """The fields of `EvaluatedVariant` that follow from its answers alone."""
    ordered = sorted(items, key=lambda item: item.index)
    standard = [item.last_word for item in ordered if item.last_word is not None]
    groups = dict.fromkeys(question.group for question in questions if question.group is not None)
    by_group = {group: accuracy_of([item for item in ordered if questions[item.index].group == group]) for group in groups}
    return {
        "items": tuple(ordered),
        "accuracy": accuracy_of(ordered),
        "last_word": proportion(sum(standard), len(standard)) if standard else None,
        "groups": {group: share for group, share in by_group.items() if share is not None},
    }


def compare_to_baseline(result: EvaluatedVariant, baseline: EvaluatedVariant, total: int) -> EvaluatedVariant:
    """`result` with its drop, McNemar's test and speed-up against `baseline`; `total`: questions of the evaluation.

    Drop and test are over the questions that both answered. A simulated variant's time is its stand-in's, so it gets no speed-up, and
    neither does a variant that did not answer everything.
    """
    theirs = _correct(baseline)
    ours = {index: correct for index, correct in _correct(result).items() if index in theirs}
    if not ours:
        return result
    before, after = [theirs[index] for index in ours], list(ours.values())
    whole = len(result.items) == len(baseline.items) == total
    timed = whole and result.kind == "real" and result.total_s and baseline.total_s
    return result.model_copy(
        update={
            "drop": (sum(before) - sum(after)) / len(ours),
            "paired": paired(before, after),
            "speedup": baseline.total_s / result.total_s if timed and baseline.total_s and result.total_s else None,
        }
    )


def differing(variants: Sequence[EvaluatedVariant]) -> tuple[int, ...]:
    """Questions to which some variant gave another answer than the first one, in order: what “only where they differ” shows."""
    answers: list[Mapping[int, str]] = [{item.index: item.answer for item in variant.items} for variant in variants]
    first, others = answers[0], answers[1:]
    return tuple(sorted(index for index in first if any(other.get(index, first[index]) != first[index] for other in others)))


def _correct(result: EvaluatedVariant) -> dict[int, bool]:
    return {item.index: item.correct for item in result.items}
