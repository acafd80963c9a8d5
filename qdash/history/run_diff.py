"""What changed between two runs: their conditions, then figure by figure, and which differences are larger than the noise of both.

A figure knows what it takes for two of it to be compared (the same question, as many tokens) and how far chance alone moves it. The
tolerance of a time is the sum of both runs' noise floors, as each may be off by its own; that of an accuracy or a divergence follows from
its interval or standard error. A run compared with itself, or with one that differs by less, has no difference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, TypeVar

from qdash.errors import QdashError
from qdash.history.figures import Condition, Figure, Figures, figures_of
from qdash.history.kinds import Kept
from qdash.present.language import N_, _, ngettext, recorded

Judged = Literal["same", "better", "worse", "changed", "unsure", "apart", "missing"]
SAME = N_("≈ same")


@dataclass(frozen=True)
class Change:
    """One line of the table. `name` is English; the rest is what is shown. `judged` "apart": not comparable; "unsure": whether they differ
    cannot be told.
    """

    name: str
    before: str
    after: str
    words: str
    judged: Judged

    @property
    def differs(self) -> bool:
        """Whether something really changed."""
        return self.judged in ("better", "worse", "changed")


@dataclass(frozen=True)
class VariantChanges:
    """A variant of either run; `only` is "before" or "after" where the other run does not have it."""

    label: str
    scheme: str
    kind: str
    bits: int | None
    only: Literal["before", "after"] | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Difference:
    """`headline` and `why` are plain sentences; `conditions` has those that differ, `same_conditions` the English names of the
    others.
    """

    headline: str
    why: str
    conditions: tuple[Change, ...]
    same_conditions: tuple[str, ...]
    variants: tuple[VariantChanges, ...]


def difference(before: Kept, after: Kept) -> Difference:
    """Compare two runs of one kind; raises QdashError for two kinds."""
    if type(before) is not type(after):
        message = "A comparison and an evaluation have no figures in common."
        raise QdashError(message, "Choose two comparisons, or two evaluations.")
    first, second = figures_of(before), figures_of(after)
    conditions = [_condition(*pair) for pair in _paired(first.conditions, second.conditions)]
    changed = {change.name for change in conditions if change.differs}
    variants = tuple(_variants(first, second, changed))
    return Difference(
        headline=_headline(variants),
        why=_why([change for change in conditions if change.differs]),
        conditions=tuple(change for change in conditions if change.differs),
        same_conditions=tuple(change.name for change in conditions if not change.differs),
        variants=variants,
    )


_Named = TypeVar("_Named", Condition, Figure)


def _paired(first: Iterable[_Named], second: Iterable[_Named]) -> list[tuple[_Named | None, _Named | None]]:
    """Both lists by name, in the order of the first, what only the second has at the end."""
    one, other = ({entry.name: entry for entry in entries} for entries in (first, second))
    return [(one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))]


def _condition(before: Condition | None, after: Condition | None) -> Change:
    known = before or after
    assert known is not None
    said = [entry.said if entry else "—" for entry in (before, after)]
    same = before is not None and after is not None and before.value == after.value
    return Change(known.name, said[0], said[1], _("same") if same else _("changed"), "same" if same else "changed")


def _variants(first: Figures, second: Figures, changed: set[str]) -> Iterable[VariantChanges]:
    one, other = ({(variant.model, variant.scheme): variant for variant in figures.variants} for figures in (first, second))
    models = [{model for model, _scheme in group} for group in (one, other)]
    alone = len(models[0] | models[1]) == 2 and len(models[0]) == len(models[1]) == 1
    if alone:  # one model in each run: its schemes are compared across models
        one, other = ({("", scheme): variant for (_model, scheme), variant in group.items()} for group in (one, other))
    for key in dict.fromkeys((*one, *other)):
        before, after = one.get(key), other.get(key)
        known = after or before
        assert known is not None
        pairs = _paired(before.figures if before else (), after.figures if after else ())
        only = "before" if after is None else "after" if before is None else None
        yield VariantChanges(known.label, known.scheme, known.kind, known.bits, only, tuple(_changes(pairs, changed)))


def _changes(pairs: Sequence[tuple[Figure | None, Figure | None]], changed: set[str]) -> Iterable[Change]:
    """What there is to tell: not that it ran both times."""
    for pair in pairs:
        change = _change(*pair, changed=changed)
        if not (change.name == "status" and change.judged == "same"):
            yield change


def _change(before: Figure | None, after: Figure | None, *, changed: set[str]) -> Change:
    known = before or after
    assert known is not None
    said = [entry.said if entry else "—" for entry in (before, after)]
    if before is None or after is None:
        return Change(known.name, said[0], said[1], "", "missing")
    apart = [need for need in known.needs if need in changed]
    if apart:
        return Change(known.name, said[0], said[1], _("different {condition}", condition=_(apart[0])), "apart")
    words, judged = _judged(before, after)
    return Change(known.name, said[0], said[1], words, judged)


def _judged(before: Figure, after: Figure) -> tuple[str, Judged]:
    first, second = before.value, after.value
    if isinstance(first, str) or isinstance(second, str):
        return (_("same"), "same") if first == second else (_("changed"), "changed")
    if first == second:
        return _(SAME), "same"
    unsure = before.unsure or after.unsure
    if unsure:
        return _("not compared: {reason}", reason=_(unsure)), "unsure"
    if before.same_as(after):
        return _(SAME), "same"
    words = before.spoken_change(first, second)
    if not before.better or not (isfinite(first) and isfinite(second)):
        return words, "changed"
    return words, "better" if (second > first) == (before.better > 0) else "worse"


def _headline(variants: Sequence[VariantChanges]) -> str:
    both = [variant for variant in variants if variant.only is None]
    if not both:
        return _("The two runs have no version in common.")
    differing = [(variant.label, [change for change in variant.changes if change.differs]) for variant in both]
    found = [change for _label, changes in differing for change in changes]
    compared = sum(change.judged not in ("apart", "missing") for variant in both for change in variant.changes)
    unsure = sum(change.judged == "unsure" for variant in both for change in variant.changes)
    if not found and unsure:
        return _("No figure differs by more than measurement noise; {number} of {total} cannot be compared.", number=unsure, total=compared)
    if not found:
        nothing = _("Nothing in these runs can be compared.")
        return _("No figure differs by more than measurement noise.") if compared else nothing
    firsts = [f"{recorded(label)}: {_(changes[0].name)} {changes[0].words}" for label, changes in differing if changes]
    number = ngettext(
        "One figure differs by more than measurement noise.",
        "{number} of {total} figures differ by more than measurement noise.",
        len(found),
        total=compared,
    )
    return f"{number} {'; '.join(firsts[:2])}{' …' if len(found) > len(firsts[:2]) else '.'}"


def _why(changed: Sequence[Change]) -> str:
    if not changed:
        return _("Both ran under the same conditions.")
    said = "; ".join(
        f"{_(change.name)} {change.before} → {change.after}" for change in changed[:4] if len(change.before + change.after) < 80
    )
    names = said or ", ".join(_(change.name) for change in changed[:4])
    more = " …" if len(changed) > 4 else ""
    return _("Run under different conditions ({conditions}): this may explain the differences.", conditions=f"{names}{more}")
