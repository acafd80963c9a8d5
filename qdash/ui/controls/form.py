"""What a person filled in, and its way to a checked request.

Values arrive as a browser, or a program that pretends to be one, put them into the payload: Gradio does not check ranges, lengths or
choices of queued events. So everything is checked here again, and every complaint names the value and the remedy.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from qdash.catalog.models import MODELS
from qdash.catalog.presets import PRESETS
from qdash.catalog.schemes import SCHEMES
from qdash.catalog.types import ModelTask
from qdash.errors import QdashError
from qdash.inputs import check_prompt, check_reference_text, read_picture
from qdash.offer import check_count, check_measurement, not_offered
from qdash.records import DeviceChoice, Dtype, Measurement, Picture, Request, Variant
from qdash.runs.plan import variants_of
from qdash.settings import settings
from qdash.ui.controls.samples import sample_path

MAX_SCHEMES = 64


@dataclass(frozen=True)
class FormValues:
    """The values of a page's own form, unchecked; its fields are named as the components that they come from."""

    @classmethod
    def names(cls) -> list[str]:
        """The fields in order."""
        return [field.name for field in fields(cls)]


@dataclass(frozen=True)
class Form:
    """The sidebar's values, unchecked. The fields are in the order of the components, see `Sidebar.fields`."""

    model: Any
    schemes: Any
    picture: Any
    question: Any
    runs: Any
    warmup: Any
    tokens: Any
    baseline_dtype: Any
    device: Any
    reference_text: Any = None


def check_model(model: Any) -> str:
    """A catalogue key, folder or hub id; in public mode only the catalogue. Raises QdashError."""
    name = model.strip() if isinstance(model, str) else ""
    if not name:
        raise QdashError("No model is chosen.", "Pick one from the list, or type a folder or a Hugging Face id.")
    if settings().public and name not in MODELS:
        raise QdashError(f"“{name[:80]}” is not offered on this server.", "Pick a model from the list.", "unavailable")
    refused = not_offered(name)
    if refused is not None:
        raise refused
    return name


def whole_number(value: Any, least: int, most: int) -> int | None:
    """The value of a field for numbers; None for what is no whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value != int(value):
        return None
    return int(value)


def check_device(device: Any) -> str:
    """A way to write a device, whether it is here or not. Raises QdashError."""
    try:
        return TypeAdapter(DeviceChoice).validate_python(device)
    except ValidationError:
        raise QdashError("“device” has a value that does not exist.", "Open Measurement and choose it again.") from None


def check_dtype(dtype: Any) -> Dtype | None:
    """The data type of the original, None for the default. Raises QdashError."""
    try:
        return TypeAdapter(Dtype | None).validate_python(dtype or None)
    except ValidationError:
        raise QdashError("“baseline_dtype” has a value that does not exist.", "Open Measurement and choose it again.") from None


def check_variants(model: str, choice: Any) -> tuple[Variant, ...]:
    """The variants of the picker's value in the order of its rows, the baseline first, mixes and other checkpoints last.

    Keys and recipes are of `model`, {"model", "scheme"} of another.

    Raises QdashError for unknown ones.
    """
    if not isinstance(choice, list) or len(choice) > MAX_SCHEMES:
        raise QdashError("The choice of schemes could not be read.", "Reload the page and choose again.")
    floats = [key for key, scheme in SCHEMES.items() if scheme.is_baseline]
    order = list(dict.fromkeys((*floats, *PRESETS[0].keys, *SCHEMES)))
    own = sorted((entry for entry in choice if isinstance(entry, str)), key=lambda key: order.index(key) if key in SCHEMES else len(order))
    rows = [_row(entry) for entry in choice if not isinstance(entry, str)]
    variants = variants_of(model, own if own or not rows else ["original"], rows)
    check_count(variants)
    return variants


def _row(entry: Any) -> Variant:
    try:
        row = Variant.model_validate(entry)
    except ValidationError:
        raise QdashError("The choice of schemes could not be read.", "Reload the page and choose again.") from None
    return Variant(model=check_model(row.model), scheme=row.scheme)


def measurement_of(form: Form) -> Measurement:
    """How to measure; raises QdashError for values out of range."""
    try:
        measurement = Measurement(runs=form.runs, warmup=form.warmup, max_new_tokens=form.tokens)
    except ValidationError as error:
        problem = error.errors()[0]
        name = {"runs": "Timed runs", "warmup": "Warm-up runs", "max_new_tokens": "Tokens"}[str(problem["loc"][0])]
        raise QdashError(f"{name}: {problem['msg']}.", "Open Measurement and correct it.") from None
    check_measurement(measurement)
    return measurement


def draft(form: Form) -> Request:
    """The request without question and picture: enough for an estimate. Raises QdashError."""
    model = check_model(form.model)
    return _request(form, model, "…", None)


def checked(form: Form, task: ModelTask) -> tuple[Request, bytes | None]:
    """The request and the picture's PNG bytes, everything checked. Raises QdashError."""
    model = check_model(form.model)
    check_variants(model, form.schemes)
    picture, png = _picture(form.picture) if task == "image-text-to-text" else (None, None)
    return _request(form, model, check_prompt(form.question if isinstance(form.question, str) else ""), picture), png


def _request(form: Form, model: str, prompt: str, picture: Picture | None) -> Request:
    try:
        return Request(
            variants=check_variants(model, form.schemes),
            prompt=prompt,
            picture=picture,
            measurement=measurement_of(form),
            device=form.device,
            baseline_dtype=form.baseline_dtype or None,
            reference_text=check_reference_text(form.reference_text) if isinstance(form.reference_text, str) else None,
        )
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise QdashError(f"“{name}” has a value that does not exist.", "Open Measurement and choose it again.") from None


def _picture(value: Any) -> tuple[Picture, bytes]:
    return read_picture(picture_path(value))


def picture_path(value: Any) -> Path:
    """The file behind the picture field: a sample by name, or an upload. Raises QdashError for anything else.

    Uploads are only read from the folder that the upload route writes to, so no payload can name another file of this machine.
    """
    if isinstance(value, dict) and isinstance(value.get("sample"), str):
        return sample_path(value["sample"])
    if isinstance(value, dict) and isinstance(value.get("upload"), str):
        return uploaded_file(value["upload"], "picture")
    raise QdashError("No picture is chosen.", "Pick one of the samples or upload your own.")


def uploaded_file(name: str, what: str) -> Path:
    """A file that a browser has sent, a `what`; raises QdashError for every other file of this machine."""
    folder = settings().uploads
    path = Path(name).resolve() if "\0" not in name else folder
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise QdashError(f"The uploaded {what} is no longer here.", "Upload it again.")
    return path
