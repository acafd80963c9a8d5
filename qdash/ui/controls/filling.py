"""What the page fills in, named in a line with Undo: the settings of a preset, a question that fits a new picture or model, a saved run. It
never replaces what a person has typed or uploaded, only what the page, a preset or the dice have filled in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from qdash.catalog.presets import PRESETS, Preset
from qdash.markup import Macros
from qdash.present.formatting import and_listed
from qdash.present.language import N_, _
from qdash.ui.components.elements import html
from qdash.ui.controls.samples import fitting_question, is_suggested, own_question, picked_question, sample_of

_draw = Macros(__name__)

FIELDS = ("model", "question", "tokens", "runs", "baseline_dtype", "picture", "schemes")
_WORDS = {
    "model": N_("model"), "task": N_("task"), "limit": N_("number of questions"), "question": N_("question"), "tokens": N_("tokens"),
    "runs": N_("timed runs"), "warmup": N_("warm-up runs"), "baseline_dtype": N_("data type"), "device": N_("device"),
    "reference_text": N_("reference text"), "picture": N_("picture"), "schemes": N_("schemes"),
}  # fmt: skip
"""Everything that can be filled in; of these, `FIELDS` by presets."""
_PRESET = N_("“{preset}” set the {fields}.")
_FITTING = {
    "model": N_("Changed to fit the model: {fields}."),
    "picture": N_("Changed to fit the picture: {fields}."),
}

Values = dict[str, Any]
"""By name of `_WORDS`."""


@dataclass(frozen=True)
class Filled:
    """The line and its button. `before`: the values that Undo brings back."""

    said: gr.HTML
    undo: gr.Button
    before: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What tells of something filled in, in the order of `told`."""
        return [self.said, self.before]


def build_filled() -> Filled:
    """Create the components inside the current Blocks context; the style sheet hides them while there is nothing to say."""
    with gr.Row(elem_id="filled"):
        said = html()
        undo = gr.Button(_("Undo"), elem_id="undo-fill", size="sm", min_width=0)
    return Filled(said, undo, gr.State(None))


def set_up(preset: Preset, before: Values) -> Values:
    """The values once `preset` is chosen; one without settings changes the schemes only."""
    setup = preset.setup
    if setup is None:
        return before
    after = before | {"model": setup.model}
    if not isinstance(before["question"], str) or not before["question"].strip() or is_suggested(before["question"]):
        after["question"] = setup.prompt if setup.prompt is not None else own_question(setup.sample)
    for name in ("tokens", "runs", "baseline_dtype"):
        if before[name] in [getattr(other.setup, name) for other in PRESETS if other.setup is not None]:
            after[name] = getattr(setup, name)
    if setup.sample is not None and not _is_upload(before["picture"]):
        after["picture"] = {"sample": setup.sample}
    return after


def told(before: Values, after: Values, why: str, more: str = "", **values: str) -> list[Any]:
    """Values of `Filled.outputs`: `why`, a sentence with {fields} for what changed and with `values`, and `more`.

    Nothing of it where nothing changed and there is no more to say.
    """
    changed = [_(words) for name, words in _WORDS.items() if before.get(name) != after.get(name)]
    if not changed and not more:
        return ["", None]
    said = " ".join(filter(None, (_(why, fields=and_listed(changed), **values) if changed else "", more)))
    return [_draw.told(said, bool(changed)), before]


def schemes_added(schemes: Any, new: Sequence[str], why: str) -> tuple[list[Any], list[Any]]:
    """The schemes at the side with `new` ones among them, and the values of `Filled.outputs` that tell of it."""
    before = schemes if isinstance(schemes, list) else []
    after = list(dict.fromkeys([*before, *new]))
    return after, told({"schemes": before}, {"schemes": after}, why)


def preset_filled(key: str | None, schemes_before: list[Any] | None, values: Sequence[Any]) -> list[Any]:
    """After a preset: values of all `FIELDS` but the schemes, which the list itself has changed by then, and of `Filled.outputs`."""
    preset = next((preset for preset in PRESETS if preset.key == key), None)
    here: Values = dict(zip(FIELDS, values, strict=True))
    before: Values = here | ({"schemes": schemes_before} if schemes_before is not None else {})
    after = set_up(preset, before) if preset is not None else before
    changes = [gr.skip() if before[name] == after[name] else after[name] for name in FIELDS[:-1]]
    named = _(preset.label) if preset is not None else ""
    return [*changes, *told(before, after | {"schemes": here["schemes"]}, _PRESET, preset=named)]


def question_filled(what: str, *values: Any) -> list[Any]:
    """After another `what`, "picture" or "model": a question that fits, and values of `Filled.outputs`; nothing changes where it fits."""
    before: Values = dict(zip(FIELDS, values, strict=True))
    chosen = picked_question if what == "picture" else fitting_question
    fitting = chosen(str(before["model"]), sample_of(before["picture"]), str(before["question"] or ""))
    if fitting == before["question"]:
        return [gr.skip()] * 3  # it may have been typed over since, and the line stays true
    return [fitting, *told(before, before | {"question": fitting}, _FITTING[what])]


def undone(names: Sequence[str], before: Any) -> list[Any]:
    """Values of the fields `names` as they were, as far as these were changed, and of `Filled.outputs`."""
    if not isinstance(before, dict):
        return [gr.skip()] * (len(names) + 2)
    return [*(before.get(name, gr.skip()) for name in names), "", None]


def _is_upload(picture: Any) -> bool:
    return isinstance(picture, dict) and "upload" in picture
