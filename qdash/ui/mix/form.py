"""What a person asks for on the Mix tab, and its way to checked values. They arrive unchecked from the browser, so all are checked here."""

from dataclasses import dataclass, fields
from typing import Any

from qdash.catalog.models import MODELS, is_random
from qdash.catalog.recipes import rules_of
from qdash.catalog.schemes import find_scheme
from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.offer import check_questions
from qdash.records import Dtype
from qdash.runs.sensitivity import check_searched
from qdash.tasks import TASKS, Task
from qdash.tasks.calibration import BUNDLED
from qdash.ui.controls.form import check_device, check_dtype, check_model, check_variants

LEAST_BITS, MOST_BITS, STEP_BITS = 2, 16, 0.05
"""Of the slider."""

FIRST_LIMIT = 32
MOST = 2000


@dataclass(frozen=True)
class MixForm:
    """The values, unchecked."""

    model: Any
    schemes: Any
    baseline_dtype: Any
    device: Any
    task: Any
    limit: Any

    @classmethod
    def names(cls) -> list[str]:
        """The fields in order."""
        return [field.name for field in fields(cls)]


@dataclass(frozen=True)
class Asked:
    """The same, checked."""

    model: str
    schemes: tuple[str, ...]
    task: str
    limit: int
    device: str
    baseline_dtype: Dtype | None


def tasks_for(model: str, reads: ModelTask) -> list[Task]:
    """The tasks whose questions a model can be given, the one it was made for first; none for random weights.

    A bundled model knows nothing but what it was taught.
    """
    if is_random(model):
        return []
    bundled = model in MODELS and MODELS[model].kind == "bundled"
    fitting = [TASKS[key] for key in BUNDLED if not TASKS[key].sees or reads == "image-text-to-text"]
    return [task for task in fitting if not bundled or task.made_for == model]


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
    if isinstance(value, bool) or not isinstance(value, int | float) or not 2 <= value <= MOST or value != int(value):
        remedy = f"Ask 2 to {MOST:,}: half to search on, half to prove the mix on."
        raise QdashError(f"{str(value)[:20]} questions cannot be asked.", remedy)
    check_questions(int(value))
    return int(value)
