"""The sentences of the page's scripts in the language that is set, for `say.js`, which every script speaks through."""

import json
import re

from qdash.errors import QdashError
from qdash.present import language
from qdash.present.message_catalogue import sentences_in
from qdash.ui.components.static import STATIC

_PLURAL = re.compile(r"[n\d\s()!=<>&|?:%+*-]+")
"""What the rule of a language for its plural forms may be made of; it is C, which JavaScript reads as well."""


def script_words() -> str:
    """JavaScript that sets them, for the page's head; empty in English."""
    name = language.language()
    if name == language.SOURCE:
        return ""
    known = language.catalogue(name)
    if not _PLURAL.fullmatch(known.plural_expr):
        raise QdashError(f"The file of the language “{name}” has a rule for plurals that cannot be read.", "Correct its Plural-Forms.")
    sentences = {}
    for message in sentences_in(STATIC / "js"):
        found = known.get(message.id)
        if found is not None and not found.fuzzy and all(_forms(found.string or "")):
            sentences[_forms(message.id)[0]] = found.string
    # A script ends at the first “</script>”, wherever it stands.
    code, said = (json.dumps(value).replace("<", "\\u003c") for value in (name.replace("_", "-"), sentences))
    return f"window.qdashWords = {{ code: {code}, form: (n) => Number({known.plural_expr}), sentences: {said} }};"


def _forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)
