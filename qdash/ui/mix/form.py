"""What a person asks for on the Mix tab, and its way to checked values. They arrive unchecked from the browser, so all are checked here."""

from dataclasses import dataclass
from typing import Any

from qdash.catalog.recipes import rules_of
from qdash.catalog.schemes import find_scheme
from qdash.errors import QdashError
from qdash.offer import check_questions
from qdash.records import Dtype
from qdash.runs.sensitivity import check_searched
from qdash.tasks.calibration import BUNDLED
from qdash.ui.controls.form import FormValues, check_device, check_dtype, check_model, check_variants, whole_number

LEAST_BITS, MOST_BITS, STEP_BITS = 2, 16, 0.05
"""Of the slider."""

FIRST_LIMIT = 32
MOST = 2000


@dataclass(frozen=True)
class MixForm(FormValues):
    """The values, unchecked."""

    model: Any
    schemes: Any
    baseline_dtype: Any
    device: Any
    task: Any
    limit: Any


@dataclass(frozen=True)
class Asked:
    """The same, checked."""

    model: str
    schemes: tuple[str, ...]
    task: str
    limit: int
    device: str
    baseline_dtype: Dtype | None


def requested(form: MixForm) -> Asked:
    """What to measure. Schemes of other models, recipes, and schemes that keep a file as it is are left out. Raises QdashError."""
    model = check_model(form.model)
    own = [variant.scheme for variant in check_variants(model, form.schemes) if variant.model == model]
    schemes = check_searched(model, [key for key in own if _for_one_layer(key)])
    if not isinstance(form.task, str) or form.task not in BUNDLED:
        raise QdashError("There is no task for this model.", "Choose a model that has been trained.")
    return Asked(model, tuple(schemes), form.task, _limit(form.limit), check_device(form.device), check_dtype(form.baseline_dtype))


def _for_one_layer(key: str) -> bool:
    scheme = find_scheme(key)
    return rules_of(scheme) is None and not scheme.family.keeps_file


def _limit(value: Any) -> int:
    """A whole number of questions: half of them search, half prove."""
    number = whole_number(value, 2, MOST)
    if number is None:
        remedy = f"Ask 2 to {MOST:,}: half to search on, half to prove the mix on."
        raise QdashError(f"{str(value)[:20]} questions cannot be asked.", remedy)
    check_questions(number)
    return number
