"""What cutting heads out of a model leaves of its key-value cache: the keys and values of those groups of heads that stay."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from qdash.catalog.parts import part_of
from qdash.catalog.scheme import Scheme
from qdash.checkpoints.estimate import own_scheme
from qdash.checkpoints.fit.decoder import Decoder
from qdash.present.layer_names import block_of
from qdash.records import ConvertibleLayer, LayerTable


def without_cut_heads(decoder: Decoder, table: LayerTable, scheme: Scheme) -> Decoder:
    """The decoder with what is left of the cache under `scheme`; `table` is that of its model."""
    kept = dict(_groups_kept(table, scheme))
    layers = (replace(layer, token_values=round(layer.token_values * kept.get(place, 1))) for place, layer in enumerate(decoder.layers))
    return replace(decoder, layers=tuple(layers))


def _groups_kept(table: LayerTable, scheme: Scheme) -> Iterator[tuple[int, float]]:
    """The number of each layer of the language model that has fewer keys and values, and the share of them that stays.

    An attention block is cut as a whole or, if a recipe gives its layers several schemes, not at all.
    """
    having_heads = (layer for layer in table.layers if layer.cut is not None and layer.cut.of == "heads")
    for path, block in groupby(having_heads, key=lambda layer: layer.name.rpartition(".")[0]):
        layers = list(block)
        own, *others = (own_scheme(scheme, layer.name) for layer in layers)
        number = block_of(layers[0].name)
        if own is not None and own.family.prunes and number is not None and part_of(path) == "language" and set(others) <= {own}:
            yield from ((number, share) for layer in layers if (share := _share(own, layer)) is not None)


def _share(own: Scheme, layer: ConvertibleLayer) -> float | None:
    """What is left of the keys or values that a layer gives; None if nothing is cut out of them, or it gives neither."""
    cuts_keys = own.kind == "real" and layer.cut is not None and layer.cut.side == "groups"
    return own.family.kept(own, layer.shape, layer.cut) if cuts_keys else None
