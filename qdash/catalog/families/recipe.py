"""Recipes: each part of a model under a scheme of its own; `catalog.recipes` reads them."""

from dataclasses import dataclass
from typing import NoReturn

from qdash.catalog.kernel_work import UNPACKING
from qdash.catalog.scheme import Family, Params, Scheme

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RecipeParams(Params):
    """Pairs of a part, or a glob on module paths, and the key of its scheme; the last that matches wins."""

    rules: Rules


class RecipeFamily(Family):
    """Hands every layer to the family of the scheme that its rule names; those answer for it."""

    engine = "qdash.engine.schemes.recipe"
    group = ""

    def sharing(self, scheme: Scheme) -> NoReturn:
        """Never asked: a layer is stored as the scheme of its rule says."""
        raise TypeError("A recipe stores no layer itself: ask the family of the scheme that `assigned` names for it.")

    def overhead(self, scheme: Scheme) -> str:
        """Parts may differ, so bits are not named."""
        return UNPACKING


RECIPE = RecipeFamily()
