"""“Run again”: fills in the form as it was for a saved or shared run, with Undo.

Nothing starts by itself. Something the run used may be missing here (a model, a format that this machine cannot run, the picture): one
sentence names it and its field keeps the default, so that the form can always be run.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from qdash.catalog.models import MODELS, model_name
from qdash.catalog.presets import STARTER_SAMPLE
from qdash.catalog.schemes import known_scheme, unavailable
from qdash.errors import QdashError
from qdash.history import Run
from qdash.inputs import read_picture
from qdash.machine import this_machine
from qdash.offer import check_measurement
from qdash.present.language import _, recorded
from qdash.records import Comparison, Evaluation, EvaluationRequest, Measurement, Picture, Request, Variant
from qdash.settings import settings
from qdash.ui.components import text
from qdash.ui.controls.filling import Values
from qdash.ui.controls.form import check_model, picture_path
from qdash.ui.controls.preflight import reads
from qdash.ui.controls.samples import samples, suggestions
from qdash.ui.controls.scheme_picker import STARTER, preset_keys
from qdash.ui.quality.form import tasks_for
from qdash.ui.server.backend import Backend

_FOLDER = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]")


@dataclass
class Again:
    """`values` of the form by name; `left`: what stays at its default; `notes`: sentences on what is there, but not as it was.

    `files` have been written where uploads lie.
    """

    values: Values
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The notes as plain sentences."""
        return " ".join([*([_(text.AGAIN_LEFT, things=", ".join(dict.fromkeys(self.left)))] if self.left else []), *self.notes])


def again(run: Run, here: Values, backend: Backend) -> Again:
    """The form for `run`; `here`: its values now, of which those stay that the run says nothing of."""
    made = Again(dict(here))
    request = run.record.request
    _fill_device(made, request)
    _fill_variants(made, request.variants)
    if isinstance(run.record, Comparison):
        _fill_comparison(made, run.record.request, run, reads(made.values["model"], backend) == "image-text-to-text")
    else:
        _fill_evaluation(made, run.record, backend)
    return made


def _fill_device(made: Again, request: Request | EvaluationRequest) -> None:
    made.values |= {"baseline_dtype": request.baseline_dtype or "", "device": request.device}
    if request.device not in this_machine().choices:
        made.values["device"] = "auto"
        made.left.append(_("the device {device}", device=request.device))


def _fill_variants(made: Again, variants: tuple[Variant, ...]) -> None:
    model, machine = variants[0].model, this_machine().on(made.values["device"])
    offered = _is_offered(model)
    made.values["model"] = model if offered else next(iter(MODELS))
    if not offered:
        made.left.append(_("the model {model}", model=recorded(model_name(model))))
    entries: list[Any] = []
    for variant in variants:
        scheme, own = known_scheme(variant.scheme), variant.model == model
        if scheme is None or unavailable(scheme, machine) is not None:
            made.left.append(_("the scheme {scheme}", scheme=recorded(scheme.label) if scheme else variant.scheme))
        elif own or _is_offered(variant.model):
            entries.append(variant.scheme if own else variant.model_dump())
        else:
            made.left.append(_("the model {model}", model=recorded(model_name(variant.model))))
    chosen = entries or preset_keys(STARTER, machine)
    if not _same(chosen, made.values["schemes"]):
        made.values["schemes"] = chosen


def _same(first: list[Any], second: Any) -> bool:
    """Whether two values of the list of schemes choose the same, in any order."""
    return isinstance(second, list) and sorted(map(str, first)) == sorted(map(str, second))


def _is_offered(model: str) -> bool:
    try:
        check_model(model)
    except QdashError:
        return False
    # Whether the hub has a model turns out when it is looked up.
    return model in MODELS or _FOLDER.match(model) is None or Path(model).expanduser().exists()


def _fill_comparison(made: Again, request: Request, run: Run, sees: bool) -> None:
    if sees:
        _fill_picture(made, request.picture, run)
    made.values["question"] = request.prompt
    if not request.prompt:
        made.values["question"] = suggestions(made.values["model"], made.values["picture"].get("sample") if sees else None)[0]
        made.left.append(_("the question, which this link does not show"))
    made.values["reference_text"] = request.reference_text or ("" if made.values["reference_text"] else made.values["reference_text"])
    _fill_measurement(made, request.measurement)


def _fill_measurement(made: Again, asked: Measurement) -> None:
    try:
        check_measurement(asked)
    except QdashError:
        asked = Measurement(max_answer_tokens=asked.max_answer_tokens)
        made.left.append(_("the measurement, which is more than this server allows"))
    made.values |= {"runs": asked.runs, "warmup": asked.warmup, "tokens": asked.max_new_tokens}
    if asked.max_answer_tokens != Measurement().max_answer_tokens:
        made.left.append(_("the longest answer, which only the command line sets"))


def _fill_picture(made: Again, asked: Picture | None, run: Run) -> None:
    if asked is not None and _sha256(made.values["picture"]) == asked.sha256:
        return
    sample = _samples_by_sha256().get(asked.sha256) if asked is not None else None
    made.values["picture"] = {"sample": sample or STARTER_SAMPLE}
    if sample is not None:
        return
    if run.picture is None:
        made.left.append(_("the picture, which was not kept") if run.own else _("the picture, which this link does not show"))
        return
    try:
        made.files.append(str(_handed_out(run.picture)))
    except OSError:  # no room for it
        made.left.append(_("the picture"))
        return
    made.values["picture"] = {"upload": made.files[0]}
    made.notes.append(_(text.AGAIN_COPY))


@cache
def _samples_by_sha256() -> dict[str | None, str]:
    return {_sha256({"sample": sample.file}): sample.file for sample in samples()}


def _sha256(picture: Any) -> str | None:
    """Of the pixels of what the picture field holds."""
    try:
        return read_picture(picture_path(picture))[0].sha256
    except QdashError:
        return None


def _handed_out(kept: bytes) -> Path:
    """The history's picture where uploads lie, as if it had just been sent; under a name that only those know who have it."""
    path = settings().uploads / sha256(kept).hexdigest() / "picture.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kept)
    return path


def _fill_evaluation(made: Again, evaluation: Evaluation, backend: Backend) -> None:
    request, model = evaluation.request, made.values["model"]
    keys = [task.key for task in tasks_for(model, reads(model, backend))]
    made.values |= {"task": request.task, "limit": request.limit}
    if request.task not in keys:
        made.values["task"] = next(iter(keys), None)
        made.left.append(_("the task {task}", task=recorded(evaluation.task_label)))
    elif request.task == "own" or request.source:
        chosen = _("the file of questions, which has to be chosen again")
        named = _("the file of questions {file}, which has to be chosen again", file=request.source)
        made.left.append(named if request.source else chosen)
    plain = EvaluationRequest(variants=request.variants, task=request.task)
    if any(getattr(request, name) != getattr(plain, name) for name in ("rule", "max_new_tokens", "batch_size")):
        made.left.append(_("what only the command line sets"))
