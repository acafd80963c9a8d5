"""Recipes: a scheme for each part of a model, written `vision=bnb-int8,projector=original,language=bnb-nf4`.

The left side is a part (see `parts`) or a glob on module paths; the last rule that matches a layer wins, as in a style sheet, so that
exceptions follow what they are exceptions to. A layer that no rule matches is left as it is. The rule `kv=int4` is about no layer: it names
the format of the KV cache (see `caches`), and may stand alone. `recipe_writing` writes a recipe that decides layer by layer; it may have
hundreds of rules, so that those that name one layer are looked up.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from qdash.catalog.caches import CACHES, CacheFormat
from qdash.catalog.families.recipe import RECIPE, RecipeParams, Rules, is_simple, matcher
from qdash.catalog.parts import PARTS, parts_of
from qdash.catalog.scheme import Scheme
from qdash.errors import QdashError

EVERYTHING = "*"
"""The pattern of all layers."""
CACHE = "kv"
"""What a rule about the KV cache names."""

MAX_RULES = 1_000
MAX_CHARS = 40_000
MAX_GLOB_CHARS = 4_000
"""Of globs that take a search to match, together."""
_SHOWN_CHARS = 200  # of what is wrong, in messages
_SAID_RULES = 6
"""A recipe with more of them is a mix: its schemes are named and its rules counted."""


def is_recipe(text: str) -> bool:
    """Whether `text` is meant as a recipe, not as a key of the catalogue."""
    return "=" in text


def recipe_scheme(text: str, find: Callable[[str], Scheme]) -> Scheme:
    """The scheme that a recipe stands for; `find` looks up the schemes of its parts.

    Raises QdashError for a text that is too long, a rule that is incomplete, names no scheme or no part, and parts that cannot be combined.
    """
    written = _rules(text)
    rules = tuple(rule for rule in written if rule[0] != CACHE)
    cache = next((_cache_format(key) for pattern, key in written if pattern == CACHE), None)
    schemes = [_scheme_of_part(pattern, find(key)) for pattern, key in rules]
    quantizing = [scheme for scheme in schemes if not scheme.is_baseline]
    if not quantizing and cache is None:
        raise QdashError(f"The recipe “{_short(text)}” quantizes nothing.", "Give at least one part a scheme, such as language=bnb-nf4.")
    parts = ", ".join(f"{pattern} in {find(key).label}" for pattern, key in rules)
    if is_mix(rules):
        names = ", ".join(dict.fromkeys(scheme.label for scheme in quantizing))
        about = [f"A scheme for each layer, by {len(rules)} rules: {names}."]
    else:
        about = [f"A scheme for each part: {parts}."] if parts else []
    kinds = [scheme.kind for scheme in quantizing] + ([cache.kind] if cache is not None else [])
    return Scheme(
        key=",".join([*(f"{pattern}={key}" for pattern, key in rules), *([f"{CACHE}={cache.key}"] if cache is not None else [])]),
        label=" · ".join([*_said(rules, schemes), *([cache.label] if cache is not None else [])]),
        family=RECIPE,
        kind="simulated" if "simulated" in kinds else "real",
        bits=min((scheme.bits or 16 for scheme in quantizing), default=None),
        activation_bits=min((scheme.activation_bits or 16 for scheme in quantizing), default=None),
        about=" ".join([*about, *([cache.about] if cache is not None else [])]),
        more_needs=tuple(dict.fromkeys(need for scheme in quantizing for need in scheme.needs)),
        floats_first=True,
        scales_span_rows=any(scheme.scales_span_rows for scheme in quantizing),
        calibrated=any(scheme.calibrated for scheme in quantizing),
        params=RecipeParams(rules, cache),
    )


def is_mix(rules: Rules) -> bool:
    """Whether these are too many rules to name one by one."""
    return len(rules) > _SAID_RULES


def _said(rules: Rules, schemes: Sequence[Scheme]) -> list[str]:
    """“vision INT8”, “language NF4”; of a mix “Mix”, “INT8, NF4”, “23 rules”. What all layers get needs no name."""
    named = [
        (pattern, scheme.label.split()[0].rstrip(","))
        for (pattern, _), scheme in zip(rules, schemes, strict=True)
        if not scheme.is_baseline
    ]
    if is_mix(rules):
        return ["Mix", ", ".join(dict.fromkeys(name for _, name in named)), f"{len(rules)} rules"]
    return [name if pattern == EVERYTHING else f"{pattern} {name}" for pattern, name in named]


def cache_of(scheme: Scheme) -> CacheFormat | None:
    """The format in which a recipe keeps the KV cache; None where it is left as it is, as every other scheme does."""
    return RecipeParams.of(scheme).cache if scheme.family is RECIPE else None


def assigned(scheme: Scheme, path: str) -> str | None:
    """The key of the scheme that `scheme` gives to the layer at `path`: a recipe's last rule that matches, any other scheme itself.

    None where no rule of a recipe matches, or the one that does leaves the layer as it is.
    """
    if rules_of(scheme) is None:
        return scheme.key
    rule = rule_for(scheme, path)
    return None if rule is None or rule[1] == "original" else rule[1]


def rules_of(scheme: Scheme) -> Rules | None:
    """The rules of a recipe about layers; None for any other scheme."""
    return RecipeParams.of(scheme).rules if scheme.family is RECIPE else None


def rule_for(recipe: Scheme, path: str) -> tuple[str, str] | None:
    """The rule (pattern, key) of a recipe that decides about the layer at `path`."""
    if recipe.family is not RECIPE:
        return None
    params, parts = RecipeParams.of(recipe), parts_of(path)
    exact = params.places.get(path, -1)
    last = next((place for place in params.wide if place < exact or _matches(params.rules[place][0], path, parts)), -1)
    return params.rules[max(exact, last)] if max(exact, last) >= 0 else None


def _matches(pattern: str, path: str, parts: Collection[str]) -> bool:
    return pattern in parts if pattern in PARTS else bool(matcher(pattern)(path))


def _rules(text: str) -> Rules:
    if len(text) > MAX_CHARS:
        raise QdashError(f"The recipe has {len(text):,} characters.", f"Use at most {MAX_CHARS:,}.")
    entries = [entry for entry in (entry.strip() for entry in text.split(",")) if entry]
    if len(entries) > MAX_RULES:
        raise QdashError(f"The recipe has {len(entries)} rules.", f"Use at most {MAX_RULES}; globs such as *.mlp.* match many layers.")
    rules = tuple(_rule(entry, text) for entry in entries)
    ((pattern, times),) = Counter(pattern for pattern, _ in rules).most_common(1) or [("", 0)]
    globs = sum(len(pattern) for pattern, _ in rules if not is_simple(pattern))
    if globs > MAX_GLOB_CHARS:
        message = f"The recipe has {globs:,} characters in globs with wildcards within."
        raise QdashError(message, f"Use at most {MAX_GLOB_CHARS:,}, or write stars at the beginning and the end only, such as *.mlp.*.")
    if times > 1:
        raise QdashError(f"The recipe “{_short(text)}” names “{_short(pattern)}” twice.", "Give each part one scheme.")
    return rules


def _rule(entry: str, text: str) -> tuple[str, str]:
    pattern, equals, key = (piece.strip() for piece in entry.partition("="))
    if not (pattern and equals and key):
        message = f"“{_short(entry)}” in the recipe “{_short(text)}” is not a rule."
        raise QdashError(message, "Write part=scheme, such as language=bnb-nf4.")
    if pattern not in (*PARTS, CACHE) and not any(sign in pattern for sign in ".*?["):
        remedy = f"Choose from: {', '.join((*PARTS, CACHE))}; or write a glob on layer names, such as *.down_proj."
        raise QdashError(f"There is no part “{_short(pattern)}”.", remedy)
    return pattern, key


def _cache_format(key: str) -> CacheFormat | None:
    """None for a cache that is left as it is."""
    if key != "original" and key not in CACHES:
        raise QdashError(f"There is no format “{_short(key)}” of the KV cache.", f"Choose from: {', '.join((*CACHES, 'original'))}.")
    return CACHES.get(key)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _scheme_of_part(pattern: str, scheme: Scheme) -> Scheme:
    if scheme.family.keeps_file:
        message = f"{pattern}={scheme.key}: a model is kept as its file has it, or not at all."
        raise QdashError(message, f"Choose {scheme.key} without a recipe, or another scheme for the part.")
    if scheme.family.needs_healing:
        message = f"{pattern}={scheme.key}: a model is healed as a whole."
        raise QdashError(message, f"Choose {scheme.key} without a recipe, or another scheme for the part.")
    if scheme.is_baseline and scheme.key != "original":
        message = f"{pattern}={scheme.key}: a part cannot have its own float type, because each layer passes its type on to the next."
        raise QdashError(message, "Write original to leave the part unchanged.")
    return scheme
