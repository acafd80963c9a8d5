"""Recipes: each part of a model under a scheme of its own; `catalog.recipes` reads them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import NoReturn

from qdash.catalog.caches import CacheFormat
from qdash.catalog.kernel_work import UNPACKING
from qdash.catalog.parts import PARTS
from qdash.catalog.scheme import Family, Params, Scheme

ONE_QUANTIZATION = (
    "a recipe gives its layers several quantizations, and config.json has room for one, so that from_pretrained could not read back what "
    "save_pretrained would write"
)
CACHE_IN_MEMORY = "how the KV cache is kept is chosen when a model answers, and is not in its files"
Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RecipeParams(Params):
    """Pairs of a part, or a glob on module paths, and the key of its scheme; the last that matches wins. `cache`: of the KV cache."""

    rules: Rules
    cache: CacheFormat | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """Path → the place of the rule that names just this layer."""
        return {pattern: place for place, (pattern, _) in enumerate(self.rules) if not _is_wide(pattern)}

    @cached_property
    def wide(self) -> tuple[int, ...]:
        """The places of all other rules, the last first."""
        return tuple(place for place in reversed(range(len(self.rules))) if _is_wide(self.rules[place][0]))


_SIMPLE = re.compile(r"(\*?)([^*?\[]*)(\*?)")
"""A glob with a star at the beginning, at the end or at both: the rules of a mix have no others."""


def is_simple(pattern: str) -> bool:
    """Whether it takes no more than a comparison of texts to match it."""
    return _SIMPLE.fullmatch(pattern) is not None


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> Callable[[str], object]:
    """What tells whether a path matches a glob."""
    simple = _SIMPLE.fullmatch(pattern)
    if simple is None:
        return re.compile(translate(pattern)).match
    begins, words, ends = simple.groups()
    if begins:
        return (lambda path: words in path) if ends else (lambda path: path.endswith(words))
    return (lambda path: path.startswith(words)) if ends else (lambda path: path == words)


def _is_wide(pattern: str) -> bool:
    return pattern in PARTS or any(sign in pattern for sign in "*?[")


class RecipeFamily(Family):
    """Hands every layer to the family of the scheme that its rule names; those answer for it."""

    engine = "qdash.engine.schemes.recipe"
    group = ""

    def sharing(self, scheme: Scheme) -> NoReturn:
        """Never asked: a layer is stored as the scheme of its rule says."""
        raise TypeError("A recipe stores no layer itself: ask the family of the scheme that `assigned` names for it.")

    def unsaveable(self, scheme: Scheme) -> str:
        """Never mind which schemes."""
        return ONE_QUANTIZATION if RecipeParams.of(scheme).rules else CACHE_IN_MEMORY

    def overhead(self, scheme: Scheme) -> str:
        """Parts may differ, so bits are not named."""
        return UNPACKING


RECIPE = RecipeFamily()
