"""Recipes: a scheme for each part of a model, written `vision=bnb-int8,projector=original,language=bnb-nf4`.

The left side is a part (see `parts`) or a glob on module paths; the last rule that matches a layer wins, as in a style sheet, so that
exceptions follow what they are exceptions to. A layer that no rule matches is left as it is.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase

from qdash.catalog.parts import PARTS, parts_of
from qdash.catalog.scheme import Scheme
from qdash.errors import QdashError

Rules = tuple[tuple[str, str], ...]
MAX_RULES = 32


def is_recipe(text: str) -> bool:
    """Whether `text` is meant as a recipe, not as a key of the catalogue."""
    return "=" in text


def recipe_scheme(text: str, find: Callable[[str], Scheme]) -> Scheme:
    """The scheme that a recipe stands for; `find` looks up the schemes of its parts.

    Raises QdashError for a rule that is incomplete, names no scheme or no part, and for parts that cannot be combined.
    """
    rules = _rules(text)
    schemes = [_scheme_of_part(pattern, find(key)) for pattern, key in rules]
    quantizing = [scheme for scheme in schemes if not scheme.is_baseline]
    if not quantizing:
        raise QdashError(f"The recipe “{text}” quantizes nothing.", "Give at least one part a scheme, such as language=bnb-nf4.")
    said = [f"{pattern} {scheme.label.split()[0]}" for (pattern, _), scheme in zip(rules, schemes, strict=True) if not scheme.is_baseline]
    return Scheme(
        key=",".join(f"{pattern}={key}" for pattern, key in rules),
        label=" · ".join(said),
        family="recipe",
        kind="simulated" if any(scheme.kind == "simulated" for scheme in quantizing) else "real",
        bits=min(scheme.bits or 16 for scheme in quantizing),
        activation_bits=min(scheme.activation_bits or 16 for scheme in quantizing),
        about="A scheme for each part: " + ", ".join(f"{pattern} in {find(key).label}" for pattern, key in rules) + ".",
        needs=tuple(dict.fromkeys(need for scheme in quantizing for need in scheme.needs)),
        floats_first=True,
        scales_span_rows=any(scheme.scales_span_rows for scheme in quantizing),
        params={"rules": rules},
    )


def assigned(scheme: Scheme, path: str) -> str | None:
    """The key of the scheme that `scheme` gives to the layer at `path`: a recipe's last rule that matches, any other scheme itself.

    None where no rule of a recipe matches, or the one that does leaves the layer as it is.
    """
    if scheme.family != "recipe":
        return scheme.key
    rule = rule_for(scheme, path)
    return None if rule is None or rule[1] == "original" else rule[1]


def rule_for(recipe: Scheme, path: str) -> tuple[str, str] | None:
    """The rule (pattern, key) of a recipe that decides about the layer at `path`."""
    parts = parts_of(path)
    rules: Rules = recipe.params["rules"]
    return next((rule for rule in reversed(rules) if rule[0] in parts or _globbed(rule[0], path)), None)


def _globbed(pattern: str, path: str) -> bool:
    return pattern not in PARTS and fnmatchcase(path, pattern)


def _rules(text: str) -> Rules:
    rules = tuple(_rule(entry.strip(), text) for entry in text.split(",") if entry.strip())
    patterns = [pattern for pattern, _ in rules]
    repeated = next((pattern for pattern in patterns if patterns.count(pattern) > 1), None)
    if repeated is not None:
        raise QdashError(f"The recipe “{text}” names “{repeated}” twice.", "Give each part one scheme.")
    if len(rules) > MAX_RULES:
        raise QdashError(f"The recipe has {len(rules)} rules.", f"Use at most {MAX_RULES}; globs such as *.mlp.* match many layers.")
    return rules


def _rule(entry: str, text: str) -> tuple[str, str]:
    pattern, equals, key = (piece.strip() for piece in entry.partition("="))
    if not (pattern and equals and key):
        raise QdashError(f"“{entry}” in the recipe “{text[:200]}” is not a rule.", "Write part=scheme, such as language=bnb-nf4.")
    if pattern not in PARTS and not any(sign in pattern for sign in ".*?["):
        remedy = f"Choose from: {', '.join(PARTS)}; or write a glob on layer names, such as *.down_proj."
        raise QdashError(f"There is no part “{pattern}”.", remedy)
    return pattern, key


def _scheme_of_part(pattern: str, scheme: Scheme) -> Scheme:
    if scheme.is_baseline and scheme.key != "original":
        message = f"{pattern}={scheme.key}: a part cannot have its own float type, because each layer passes its type on to the next."
        raise QdashError(message, "Write original to leave the part unchanged.")
    return scheme
