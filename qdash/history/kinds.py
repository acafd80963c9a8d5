"""The kinds of record that a history holds, as a table: how each is summed up in the list, and what a share link leaves out of it.

What others are shown of a run is made here, from the record, each time a link is opened; the record itself is never changed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdash.present.language import N_, SOURCE, in_language
from qdash.records import Comparison, ErrorRecord, EvaluatedVariant, Evaluation, Request, Variant, VariantResult
from qdash.records.history import RunKind, Share
from qdash.verdict import verdict
from qdash.verdict.evaluations import evaluation_verdict

Kept = Comparison | Evaluation
MOST_WORDS = 4000
"""Characters of a question that can be searched for."""


_ASKED = {
    (False, False): N_("{number} questions"),
    (False, True): N_("{number} questions from {file}"),
    (True, False): N_("{number} question"),
    (True, True): N_("{number} question from {file}"),
}
"""By whether it is one, and whether it comes from a file."""


@dataclass(frozen=True)
class Summary:
    """What the list says of a run, in English as all that is kept; `schemes` and all of what was `asked` can be searched too."""

    model: str
    labels: tuple[str, ...]
    headline: str
    asked: str
    schemes: tuple[str, ...]

    @property
    def words(self) -> str:
        """Everything to search in, whatever the case of its letters."""
        return "\n".join((self.model, *self.labels, *self.schemes, self.headline, self.asked[:MOST_WORDS])).casefold()


@dataclass(frozen=True)
class KindOfRun:
    """`shared(record, share)` is the record as people with the link see it."""

    record: type[Kept]
    summary: Callable[[Any], Summary]
    shared: Callable[[Any, Share], Any]


def kind_of(record: Kept) -> RunKind:
    """The key of its kind."""
    return next(key for key, kind in KINDS.items() if isinstance(record, kind.record))


def has_results(record: Kept) -> bool:
    """Whether there is something in it to keep: a variant that ran, or was stopped with some questions answered."""
    return any(result.status == "ok" or (isinstance(result, EvaluatedVariant) and result.items) for result in record.variants)


@in_language(SOURCE)  # what is kept can be shown in any language
def _comparison_summary(comparison: Comparison) -> Summary:
    labels = tuple(result.label for result in comparison.variants)
    schemes = tuple(result.scheme for result in comparison.variants)
    headline = verdict(comparison).plain.strip()
    return Summary(comparison.variants[0].model, labels, headline, comparison.request.prompt, schemes)


@in_language(SOURCE)
def _evaluation_summary(evaluation: Evaluation) -> Summary:
    labels = tuple(result.label for result in evaluation.variants)
    headline = f"{evaluation.task_label}: {evaluation_verdict(evaluation).plain.strip()}"
    schemes = tuple(result.scheme for result in evaluation.variants)
    return Summary(evaluation.variants[0].model, labels, headline, _about(evaluation), schemes)


def _about(evaluation: Evaluation) -> str:
    """“200 questions from mine.csv”; where they come with qdash, the headline says which they are."""
    count, source = len(evaluation.questions), evaluation.request.source
    return _ASKED[count == 1, source is not None].format(number=f"{count:,}", file=source)


def _shared_comparison(comparison: Comparison, share: Share) -> Comparison:
    request = comparison.request.model_copy(update=_shared_request(comparison.request, share))
    variants = tuple(_shared_result(result, share) for result in comparison.variants)
    return comparison.model_copy(update={"request": request, "variants": variants})


def _shared_request(request: Request, share: Share) -> dict[str, Any]:
    left_out: dict[str, Any] = {"variants": _shared_variants(request.variants)}
    if not share.prompt:
        left_out |= {"prompt": "", "reference_text": None}
    if not share.picture:
        left_out["picture"] = None  # its SHA-256 would tell a picture that somebody has
    return left_out


def _shared_result(result: VariantResult, share: Share) -> VariantResult:
    left_out: dict[str, Any] = {
        "model": spoken_model(result.model),
        "label": _without_folder(result.label, result.model),
        "snippet": _without_folder(result.snippet, result.model),
        "error": _shared_error(result.error, result.model),
    }
    if not share.prompt and result.agreement_text is not None:
        left_out["agreement_text"] = result.agreement_text.model_copy(update={"per_token": ()})
    return result.model_copy(update=left_out)


def _shared_evaluation(evaluation: Evaluation, share: Share) -> Evaluation:
    variants = tuple(_shared_evaluated(result) for result in evaluation.variants)
    request = evaluation.request.model_copy(update={"variants": _shared_variants(evaluation.request.variants)})
    if not is_own(evaluation):
        return evaluation.model_copy(update={"request": request, "variants": variants})
    prompt, picture = share.prompt, share.picture
    hidden = ({} if prompt else {"prompt": "", "answer": "", "alternatives": ()}) | ({} if picture else {"picture": None})
    questions = tuple(item.model_copy(update=hidden) for item in evaluation.questions)
    if not prompt:
        variants = tuple(result.model_copy(update={"items": _without_answers(result)}) for result in variants)
        request = request.model_copy(update={"source": None})
    return evaluation.model_copy(update={"request": request, "variants": variants, "questions": questions})


def is_own(evaluation: Evaluation) -> bool:
    """Whether its questions are a person's own: what they say, and what is answered to them, is theirs. Others are known to everybody."""
    return evaluation.request.task == "own" or evaluation.request.source is not None


def _without_answers(result: EvaluatedVariant) -> tuple[Any, ...]:
    return tuple(item.model_copy(update={"answer": ""}) for item in result.items)


def _shared_evaluated(result: EvaluatedVariant) -> EvaluatedVariant:
    left_out = {
        "model": spoken_model(result.model),
        "label": _without_folder(result.label, result.model),
        "error": _shared_error(result.error, result.model),
    }
    return result.model_copy(update=left_out)


def _shared_variants(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    return tuple(variant.model_copy(update={"model": spoken_model(variant.model)}) for variant in variants)


def _shared_error(error: ErrorRecord | None, model: str) -> ErrorRecord | None:
    if error is None:
        return None
    words = {"message": _without_folder(error.message, model), "remedy": _without_folder(error.remedy, model)}
    return error.model_copy(update=words)


def spoken_model(model: str) -> str:
    """A model without the folders that lead to it: names and hub ids stay, “/home/me/models/mine” is “mine”."""
    if re.match(r"[/\\~.]|[A-Za-z]:[/\\]", model) is None:
        return model
    return re.split(r"[/\\]", model.rstrip("/\\"))[-1] or "a folder"


def _without_folder(text: str | None, model: str) -> str | None:
    """`text` without the way to the model's folder, and without the name of whoever's home directory it is."""
    if text is None:
        return None
    return text.replace(model, spoken_model(model)).replace(str(Path.home()), "~")


KINDS: dict[RunKind, KindOfRun] = {
    "comparison": KindOfRun(Comparison, _comparison_summary, _shared_comparison),
    "evaluation": KindOfRun(Evaluation, _evaluation_summary, _shared_evaluation),
}
