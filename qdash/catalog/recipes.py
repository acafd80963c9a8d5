"""Recipes: a scheme for each part of a model, written `vision=bnb-int8,projector=original,language=bnb-nf4`.

The left side is a part (see `parts`) or a glob on module paths; the last rule that matches a layer wins, as in a style sheet, so that
exceptions follow what they are exceptions to. A layer that no rule matches is left as it is.
"""

from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase

from qdash.catalog.families.recipe import RECIPE, RecipeParams, Rules
from qdash.catalog.parts import PARTS, parts_of
from qdash.catalog.scheme import Scheme
from qdash.errors import QdashError

MAX_RULES = 64
MAX_CHARS = 4_000
_SHOWN_CHARS = 200  # of what is wrong, in messages


def is_recipe(text: str) -> bool:
    """Whether `text` is meant as a recipe, not as a key of the catalogue."""
    return "=" in text


def recipe_scheme(text: str, find: Callable[[str], Scheme]) -> Scheme:
    """The scheme that a recipe stands for; `find` looks up the schemes of its parts.

    Raises QdashError for a text that is too long, a rule that is incomplete, names no scheme or no part, and parts that cannot be combined.
    """
    rules = _rules(text)
    schemes = [_scheme_of_part(pattern, find(key)) for pattern, key in rules]
    quantizing = [scheme for scheme in schemes if not scheme.is_baseline]
    if not quantizing:
        raise QdashError(f"The recipe “{_short(text)}” quantizes nothing.", "Give at least one part a scheme, such as language=bnb-nf4.")
    said = [f"{pattern} {scheme.label.split()[0]}" for (pattern, _), scheme in zip(rules, schemes, strict=True) if not scheme.is_baseline]
    return Scheme(
        key=",".join(f"{pattern}={key}" for pattern, key in rules),
        label=" · ".join(said),
        family=RECIPE,
        kind="simulated" if any(scheme.kind == "simulated" for scheme in quantizing) else "real",
        bits=min(scheme.bits or 16 for scheme in quantizing),
        activation_bits=min(scheme.activation_bits or 16 for scheme in quantizing),
        about="A scheme for each part: " + ", ".join(f"{pattern} in {find(key).label}" for pattern, key in rules) + ".",
        more_needs=tuple(dict.fromkeys(need for scheme in quantizing for need in scheme.needs)),
        floats_first=True,
        scales_span_rows=any(scheme.scales_span_rows for scheme in quantizing),
        params=RecipeParams(rules),
    )


def assigned(scheme: Scheme, path: str) -> str | None:
    """The key of the scheme that `scheme` gives to the layer at `path`: a recipe's last rule that matches, any other scheme itself.

    None where no rule of a recipe matches, or the one that does leaves the layer as it is.
    """
    if rules_of(scheme) is None:
        return scheme.key
    rule = rule_for(scheme, path)
    return None if rule is None or rule[1] == "original" else rule[1]


def rules_of(scheme: Scheme) -> Rules | None:
    """The rules of a recipe; None for any other scheme."""
    return RecipeParams.of(scheme).rules if scheme.family is RECIPE else None


def rule_for(recipe: Scheme, path: str) -> tuple[str, str] | None:
    """The rule (pattern, key) of a recipe that decides about the layer at `path`."""
    parts = parts_of(path)
    return next((rule for rule in reversed(rules_of(recipe) or ()) if rule[0] in parts or _globbed(rule[0], path)), None)


def _globbed(pattern: str, path: str) -> bool:
    return pattern not in PARTS and fnmatchcase(path, pattern)


def _rules(text: str) -> Rules:
    if len(text) > MAX_CHARS:
        raise QdashError(f"The recipe has {len(text):,} characters.", f"Use at most {MAX_CHARS:,}.")
    entries = [entry for entry in (entry.strip() for entry in text.split(",")) if entry]
    if len(entries) > MAX_RULES:
        raise QdashError(f"The recipe has {len(entries)} rules.", f"Use at most {MAX_RULES}; globs such as *.mlp.* match many layers.")
    rules = tuple(_rule(entry, text) for entry in entries)
    ((pattern, times),) = Counter(pattern for pattern, _ in rules).most_common(1) or [("", 0)]
    if times > 1:
        raise QdashError(f"The recipe “{_short(text)}” names “{_short(pattern)}” twice.", "Give each part one scheme.")
    return rules


def _rule(entry: str, text: str) -> tuple[str, str]:
    pattern, equals, key = (piece.strip() for piece in entry.partition("="))
    if not (pattern and equals and key):
        message = f"“{_short(entry)}” in the recipe “{_short(text)}” is not a rule."
        raise QdashError(message, "Write part=scheme, such as language=bnb-nf4.")
    if pattern not in PARTS and not any(sign in pattern for sign in ".*?["):
        remedy = f"Choose from: {', '.join(PARTS)}; or write a glob on layer names, such as *.down_proj."
        raise QdashError(f"There is no part “{_short(pattern)}”.", remedy)
    return pattern, key


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _scheme_of_part(pattern: str, scheme: Scheme) -> Scheme:
    if scheme.is_baseline and scheme.key != "original":
        message = f"{pattern}={scheme.key}: a part cannot have its own float type, because each layer passes its type on to the next."
        raise QdashError(message, "Write original to leave the part unchanged.")
    return scheme
