"""What the Play tab says and draws, from records alone. Pure functions."""

import re
from collections.abc import Sequence

from markupsafe import Markup

from qdash.catalog.format_series import SERIES
from qdash.catalog.parts import part_of
from qdash.markup import Macros
from qdash.present.formatting import mib, nats, percent
from qdash.present.language import N_, _, decimal, ngettext
from qdash.present.layer_names import block_of, projection_of, spoken_kind, spoken_part
from qdash.records import EVERYTHING, AddNoise, Levels, PlayAction, PlayAnswer, Played, PlayLayer, Reformat, RemoveWeights
from qdash.ui.components import text
from qdash.ui.components.verdict_header import sentence_html
from qdash.ui.play.game import SLOW_S
from qdash.ui.play.moves import NOISE_SHARE

FALLS_APART_NATS = 2.0
"""From here on hardly a token is the one that the original would say."""

PARTS = ("vision", "projector", "language")
_draw = Macros("qdash.ui.play.page")


def empty_html() -> Markup:
    """Headline before a game."""
    why = _(
        "Play loads a second copy of the model and lets you take it apart: move the slider from 16 bits to 1, remove weights, add noise, "
        "and watch the answer follow. Everything can be undone."
    )
    return sentence_html(_("How much of it can go before it talks nonsense?"), why)


def told_html(played: Played, last: PlayAction | None) -> Markup:
    """What happened, in a line, over the two answers."""
    why = _("It is asked the question in the sidebar at every step, and compared with what the original answers.")
    if played.seconds > SLOW_S:
        why = _("A step takes {duration} with this model, so it is made when the slider rests.", duration=text.seconds(played.seconds))
    return sentence_html(f"{done_words(last, played.layers)} {outcome_words(played, last)}", why)


def done_words(last: PlayAction | None, layers: Sequence[PlayLayer]) -> str:
    """What was done last: “The 10 largest weights of 4.5 M are gone.”"""
    if last is None:
        return _("This is the original.")
    place = place_words(last.where)
    if isinstance(last, Reformat):
        width = SERIES[last.series].nearest(last.bits)
        bits = ngettext("{number} bit", "{number} bits", width)
        return _("{place}: {format}, {bits}.", place=place, format=_(series_label(last.series)), bits=bits)
    if isinstance(last, AddNoise):
        return _("{place}: noise of {share} of the weights’ spread was added.", place=place, share=percent(last.share))
    if not isinstance(last, RemoveWeights):
        return _("{place}: as the original again.", place=place)
    among = sum(layer.weights for layer in layers if last.where in (EVERYTHING, layer.part, layer.name))
    largest = ngettext(
        "The largest weight of {all} is gone.", "The {number} largest weights of {all} are gone.", last.count, all=text.count(among)
    )
    rest = ngettext("A random weight of {all} is gone.", "{number} random weights of {all} are gone.", last.count, all=text.count(among))
    return largest if last.which == "largest" else rest


def outcome_words(played: Played, last: PlayAction | None) -> str:
    """What that did to the answer."""
    if not played.changed:
        return _("It says:") if last is None else _("It is whole.")
    if played.answer.differs is None:
        spared = isinstance(last, RemoveWeights) and last.which == "random"
        return _("The answer stays. That is the point.") if spared else _("The answer stays.")
    if played.kl_mean_nats is None or played.kl_mean_nats >= FALLS_APART_NATS:
        return _("The answer is nonsense.")
    word = _parts(played.answer)[1].strip()
    return _("The answer changes at “{word}”.", word=word) if word else _("The answer ends sooner.")


def answers_html(played: Played) -> Markup:
    """Both answers, the first different word of each marked."""
    return _draw.answers(_parts(played.original), _parts(played.answer), same=played.answer.differs is None)


def facts_html(played: Played) -> Markup:
    """Size, divergence, and how many layers are changed."""
    share = played.bytes / played.original_bytes
    kl = f"{nats(played.kl_mean_nats)} nats" if played.kl_mean_nats is not None else nats(None)
    layers = _("{changed} of {all}", changed=decimal(played.changed), all=decimal(len(played.layers)))
    return _draw.facts(mib(played.bytes), percent(share), share, kl, _filled(played.kl_mean_nats), layers)


def histogram_html(levels: Levels) -> Markup:
    """The weights of one layer, pale as they were and dark as they are."""
    highest = max(1, *levels.original)
    said = _(
        "{layer}: its weights, each in the range of those it shares a scale with. Pale: the original.", layer=layer_words(levels.layer)
    )
    if levels.levels is not None:
        said = f"{said} {ngettext('{number} level is left.', '{number} levels are left.', levels.levels)}"
    width = len(levels.now)
    before = [(place, min(1.0, count / highest)) for place, count in enumerate(levels.original) if count]
    # A few levels hold what many bins held: their bars are cut at the top, and still show where the levels are.
    now = [(place, min(1.0, count / highest)) for place, count in enumerate(levels.now) if count]
    return _draw.histogram(said, width, before, now)


def place_choices(layers: Sequence[PlayLayer]) -> list[tuple[str, str]]:
    """(label, key) of everything, the parts that there are, and every layer."""
    parts = [part for part in PARTS if any(layer.part == part for layer in layers)]
    return [(place_words(where), where) for where in (EVERYTHING, *(parts if len(parts) > 1 else ()), *(layer.name for layer in layers))]


def place_words(where: str) -> str:
    """What a place is called at the beginning of a sentence."""
    return _(_PLACES[where]) if where in _PLACES else layer_words(where)


def layer_words(name: str) -> str:
    """“language · layer 3 · down projection”."""
    block = block_of(name)
    numbered = [_("layer {number}", number=block)] if block is not None else []
    return " · ".join((spoken_part(part_of(name)), *numbered, spoken_kind(projection_of(name))))


def series_label(key: str) -> str:
    """What a format is called."""
    return _SERIES[key]


def series_choices() -> list[tuple[str, str]]:
    """(label, key) of each format."""
    return [(_(series_label(key)), key) for key in SERIES]


def noise_label() -> str:
    """Of the button that adds some."""
    return _("Add {share} noise", share=percent(NOISE_SHARE))


_SERIES = {"int-row": N_("Integers by row"), "int-g64": N_("Integers in groups"), "float": N_("Floats"), "nf4": N_("NF4")}
_PLACES = {
    EVERYTHING: N_("Everything"), "vision": N_("Vision"), "projector": N_("Projector"), "language": N_("Language"),
}  # fmt: skip


_FIRST_WORD = re.compile(r"[^\w\s]*\s*([a-z0-9'’À-ɏ-]+|\w)|[^\w\s]+", re.IGNORECASE)
"""A word in letters or, where words are not set apart, as in Chinese, a character, with the signs before it; or signs alone."""


def _parts(answer: PlayAnswer) -> tuple[str, str, str]:
    """What comes before the first different word, that word, and the rest."""
    if answer.differs is None:
        return "".join(answer.pieces), "", ""
    before, rest = "".join(answer.pieces[: answer.differs]), "".join(answer.pieces[answer.differs :])
    leading = rest[: len(rest) - len(rest.lstrip())]
    word = _FIRST_WORD.match(rest, len(leading))
    end = word.end() if word is not None else len(leading)
    return before + leading, rest[len(leading) : end], rest[end:]


def _filled(kl: float | None) -> float:
    """How much of the bar a divergence fills: all of it from 5 nats on, half at 0.5."""
    return 1.0 if kl is None else min(1.0, kl / (kl + 0.5) * 1.1)
