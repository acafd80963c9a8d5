"""What the Heal tab says and lists, from records alone. Pure functions."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from qdash.catalog.models import model_name
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.markup import Macros
from qdash.present.formatting import mib, nats, percent
from qdash.present.healing import estimate_words, healed_words, healing_facts, points_table
from qdash.present.language import _, decimal, recorded
from qdash.records import Evaluation, HealPoint, HealReport
from qdash.runs.heal import HealPlan
from qdash.ui.components.markup import hint, problem_words
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.heal.form import HEALED
from qdash.ui.heal.stream import Training
from qdash.verdict.healing import check_facts, check_headline, check_table

_draw = Macros("qdash.ui.heal.page")


def empty_html() -> Markup:
    """Headline before a model was healed."""
    why = _(
        "Heal trains the weights with the rounding in place, and the original is the teacher: with few bits the model learns to say what "
        "it said before. What comes of it is kept, and runs on every page."
    )
    return sentence_html(_("How much of what rounding cost comes back?"), why)


def refused_html(error: QdashError) -> Markup:
    """Headline where nothing is trained."""
    return sentence_html(recorded(error.message), recorded(error.remedy))


def training_html(training: Training) -> Markup:
    """Headline over the curve of a run, while it trains or after it failed."""
    said = _("{model} is being trained for “{format}”.", model=model_name(training.model), format=format_label(training.scheme))
    first, last = training.points[0], training.points[-1]
    why = [
        _(
            "On what is held out the divergence from the original is {now} nats per token; unhealed it is {before}.",
            now=nats(last.held_out_kl), before=nats(first.held_out_kl),
        )
    ]  # fmt: skip
    if last.zeros is not None and first.zeros is not None:
        why.append(_("{now} of the weights are zero; in the end {share} are.", now=percent(last.zeros), share=percent(first.zeros)))
    return sentence_html(said, " ".join(why))


def unkept_html(training: Training) -> Markup:
    """Headline over the curve of a run of which nothing was kept."""
    said = _("{model} is not healed for “{format}”.", model=model_name(training.model), format=format_label(training.scheme))
    return sentence_html(said, _("Nothing of the last training was kept."))


def kept_html(report: HealReport) -> Markup:
    """Headline over a healed version: its right answers where they were counted, else how to count them."""
    if report.check is not None:
        return sentence_html(check_headline(report.check), " ".join((*check_facts(report.check), healed_words(report))))
    why = _(
        "Check its answers counts how many are right, before and after. Use it puts it among the schemes at the side, beside “{unhealed}”, "
        "the same without training.",
        unhealed=format_label(report.scheme),
    )
    return sentence_html(healed_words(report), why)


def check_html(check: Evaluation | None) -> Markup:
    """The right answers of original, unhealed and healed; empty before they were counted."""
    return Markup() if check is None else _draw.check(*check_table(check))


def points_html(points: Sequence[HealPoint], facts: Sequence[str] = ()) -> Markup:
    """The curve as a table, and what else is to be known."""
    headings, rows = points_table(points)
    return _draw.points(headings, rows, facts)


def kept_facts(report: HealReport) -> Iterator[str]:
    """The conditions of a healed version."""
    yield from healing_facts(report)
    if report.stopped:
        yield _("It was stopped; Heal goes on from there.")


def plan_html(plan: HealPlan | QdashError, minutes: object) -> Markup:
    """The line below the form: what training will take, and from where it goes on."""
    if isinstance(plan, QdashError):
        return hint(problem_words(plan))
    length = float(minutes) if isinstance(minutes, int | float) else 0.0
    said = [f"{estimate_words(plan.estimate, length)}."]
    if plan.estimate.needed_bytes > plan.estimate.available_bytes:
        said = [_("Does not fit: training takes about {needed} of memory.", needed=mib(plan.estimate.needed_bytes))]
    if plan.trained_s:
        behind = decimal(plan.trained_s / 60, 1)
        if plan.trained_s < 60 * length:
            said.append(_("{behind} min are behind; with the same to learn from it goes on there.", behind=behind))
        else:
            said.append(_("{behind} min are behind; choose more to go on there.", behind=behind))
    return hint(" ".join(said))


def scheme_choices() -> list[tuple[str, str]]:
    """(label, key) of each scheme that is healed: the one with the fewest bits, which gains most, first, and those of floats last."""
    return [(format_label(scheme.key), scheme.key) for scheme in sorted(HEALED, key=lambda scheme: scheme.bits or 32)]


def format_label(scheme: str) -> str:
    """What the format of a healed scheme is called: the name of its unhealed version."""
    found = find_scheme(scheme)
    return recorded(find_scheme(found.family.unhealed(found)).label)
