"""A question in a model's own chat template, whatever that template takes: texts or lists of parts; faults are the checkpoint's.

Templates are programs that strangers wrote. One may raise, use other roles, or silently leave a text out, and the model would answer
another prompt. So the rendered question is checked as text before it is turned into tokens.
"""

import re
from typing import Any
from weakref import WeakKeyDictionary

from PIL import Image
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from qdash.engine.failures import is_out_of_memory
from qdash.errors import QdashError
from qdash.records import WorkerSpec

Processor = ProcessorMixin | PreTrainedTokenizerBase
Content = str | list[dict[str, Any]]

# Which form each processor's templates take: found out once, so that it is no part of any time that is measured.
_forms: WeakKeyDictionary[Processor, dict[tuple[str, bool], bool]] = WeakKeyDictionary()
_placing: WeakKeyDictionary[Processor, bool] = WeakKeyDictionary()

_PRINTED = re.compile(r"\{['\"]type['\"]\s*:\s*['\"](text|image)['\"]")
_INSTRUCT = re.compile(r"(?i)(^|[-_./ ])(instruct|chat|it|sft|dpo|rlhf|assistant)([-_./ ]|$)")
_PLAIN = (
    "Choose another version of the model, or remove the template (chat_template.jinja, or chat_template in tokenizer_config.json):"
    " then the prompt is passed on exactly as typed."
)


def encode(processor: Processor, prompt: str, image: Image.Image | None) -> Any:
    """The processor's output for a question, tensors for a batch of one.

    Raises QdashError: "checkpoint" for a template that fails, or does not show the question to the model.
    """
    template = _template(processor)
    if template is None:
        pictures = {"images": image} if isinstance(processor, ProcessorMixin) else {}
        return _made(processor, text=_as_text(processor, prompt, image), **pictures)
    content = _content(processor, prompt, image, template)
    messages: Any = [{"role": "user", "content": content}]
    if image is not None and isinstance(content, str):
        return _made(processor, text=_rendered(processor, content, template), images=image, add_special_tokens=False)
    try:
        return processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt", **_options(template))
    except Exception as error:  # of any type: what a stranger's processor does to a picture and a text
        raise _refused(error, "The model's own processor cannot prepare this question") from error


def template_notes(processor: Processor, spec: WorkerSpec) -> tuple[str, ...]:
    """A note if a model that calls itself one for chats has no chat template."""
    name = spec.folder.rstrip("/").rpartition("/")[2] if "snapshots" not in spec.folder else spec.folder
    if getattr(processor, "chat_template", None) or not _INSTRUCT.search(name.replace("models--", "-")):
        return ()
    return ("By its name this is a chat model, but it has no chat template: the prompt is passed on exactly as typed.",)


def _template(processor: Processor) -> str | None:
    """The template for plain questions; None if there is none. Several are named, and one must be the default."""
    found: Any = getattr(processor, "chat_template", None)
    if not isinstance(found, dict):
        return found or None
    if "default" in found or len(found) == 1:
        return found.get("default") or next(iter(found.values()))
    message = f"This model has several chat templates ({', '.join(sorted(map(str, found)))}), and none is named “default”."
    raise QdashError(message, "Name the one for plain questions “default” in its tokenizer_config.json.", "checkpoint")


def _options(template: str) -> dict[str, Any]:
    # Models that can think aloud are asked for the answer alone. Other templates would ignore the switch, but transformers complains.
    thinking = {"enable_thinking": False} if "enable_thinking" in template else {}
    return {"add_generation_prompt": True, "chat_template": template, **thinking}


def _content(processor: Processor, prompt: str, image: Image.Image | None, template: str) -> Content:
    """The question in the form that the template shows whole, found once: the usual one for this kind of processor, or the other."""
    forms = _forms.setdefault(processor, {})
    as_text = forms.get((template, image is None))
    if as_text is None:
        as_text = forms[template, image is None] = _takes_text(processor, image, template)
    return _as_text(processor, prompt, image) if as_text else _as_parts(prompt, image)


def _takes_text(processor: Processor, image: Image.Image | None, template: str) -> bool:
    """Whether the content of a message must be text for this template, and no list of parts. Raises QdashError if it can use neither."""
    failure: Exception | None = None
    for as_text in (False, True) if isinstance(processor, ProcessorMixin) else (True, False):
        try:
            if _shows(processor, as_text, image, template):
                return as_text
        except Exception as error:  # whatever a template raises, or does to what it is given
            if is_out_of_memory(error):
                raise
            failure = failure or error
    if failure is not None:
        raise _refused(failure, "The chat template of this model fails on a plain question")
    message = "The chat template of this model leaves out what the user writes, so that the model would not see the question."
    raise QdashError(message, _PLAIN, "checkpoint")


def _shows(processor: Processor, as_text: bool, image: Image.Image | None, template: str) -> bool:
    """Whether what is rendered changes with the prompt and, of parts, with the picture, and no list is printed as one."""

    def shown(prompt: str, picture: Image.Image | None) -> str:
        return _rendered(processor, _as_text(processor, prompt, picture) if as_text else _as_parts(prompt, picture), template)

    rendered = shown("What is it?", image)
    if _PRINTED.search(rendered) or rendered == shown("What is that?", image):
        return False
    return as_text or image is None or rendered != shown("What is it?", None)


def _as_text(processor: Processor, prompt: str, image: Image.Image | None) -> str:
    marker = image_marker(processor)
    return prompt if image is None or marker is None or _places_marker(processor, marker) else f"{marker}\n{prompt}"


def image_marker(processor: Processor) -> str | None:
    """The text that stands for a picture in a prompt; None for a model that reads text only, or knows no such text."""
    marker = getattr(processor, "image_token", None) if isinstance(processor, ProcessorMixin) else None
    return None if marker is None else str(getattr(marker, "content", marker))


def _places_marker(processor: Processor, marker: str) -> bool:
    """Whether the processor itself puts the marker before a text without one, as BLIP-2's does: a second one would stand for nothing."""
    if processor not in _placing:
        try:
            made: Any = processor(text="a", images=Image.new("RGB", (64, 64)))  # type: ignore[operator] - told by its class alone
            tokens = made["input_ids"][0]
        except Exception:  # of any type: some refuse a text without it
            tokens = []
        _placing[processor] = processor.tokenizer.convert_tokens_to_ids(marker) in list(tokens)  # type: ignore[union-attr] - processors that see have one
    return _placing[processor]


def _as_parts(prompt: str, image: Image.Image | None) -> list[dict[str, Any]]:
    return [*([{"type": "image", "image": image}] if image else []), {"type": "text", "text": prompt}]


def _rendered(processor: Processor, content: Content, template: str) -> str:
    messages: Any = [{"role": "user", "content": content}]
    return str(processor.apply_chat_template(messages, tokenize=False, **_options(template)))


def _made(processor: Processor, **arguments: Any) -> Any:
    try:
        return processor(**arguments, return_tensors="pt")  # type: ignore[operator] - see above
    except Exception as error:  # of any type, as above
        raise _refused(error, "The model's own processor cannot prepare this question") from error


def _refused(error: Exception, what: str) -> Exception:
    if isinstance(error, QdashError) or is_out_of_memory(error):
        return error
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    remedy = _PLAIN if "template" in what else "Try another prompt or picture; if none works, choose another version of the model."
    return QdashError(f"{what}: {said[:300].rstrip('.')}.", remedy, "checkpoint")
