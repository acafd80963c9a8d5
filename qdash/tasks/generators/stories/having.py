"""Stories about who has what: things change hands, and presents are given.

The last word is a person's name or a thing's.
"""

from __future__ import annotations

from qdash.tasks.generators.stories.lexicon import Person
from qdash.tasks.generators.stories.moving import HAS_THING, THING_IS_WITH, WHAT_HAS, WHO_HAS, alone, coloured
from qdash.tasks.generators.stories.telling import Teller, Wordings

_HAS: Wordings = {
    "en": ("{who} had the {thing}.", "{who} bought the {thing}.", "{who} found the {thing}.", "{who} owned the {thing}."),
    "zh": ("{who}有{thing}。", "{who}买了{thing}。", "{who}找到了{thing}。", "{who}带来了{thing}。"),
}
_GIVES: Wordings = {
    "en": (
        "{who} gave the {thing} to {other}.",
        "{who} handed {other} the {thing}.",
        "{who} passed the {thing} to {other}.",
        "{who} sold the {thing} to {other}.",
        "{who} sent {other} the {thing}.",
    ),
    "zh": ("{who}把{thing}给了{other}。", "{who}把{thing}递给{other}。", "{who}把{thing}卖给{other}。", "{who}送给{other}{thing}。"),
}
_GETS: Wordings = {
    "en": ("{who} took the {thing} from {other}.", "{who} got the {thing} from {other}.", "{who} borrowed the {thing} from {other}."),
    "zh": ("{who}从{other}那里拿走了{thing}。", "{who}从{other}那里得到了{thing}。", "{who}向{other}借走了{thing}。"),
}
_SWAPS: Wordings = {
    "en": ("{who} swapped with {other}.", "{who} and {other} traded what they had.", "{who} and {other} swapped their things."),
    "zh": ("{who}和{other}交换了东西。", "{who}跟{other}换了手里的东西。", "{who}与{other}互换了东西。"),
}
_PRESENTS: Wordings = {
    "en": ("The {thing} came from {who}.", "{who} brought the {thing} as a present.", "From {who} there was the {thing}."),
    "zh": ("{thing}是{who}送的。", "{who}带来的礼物是{thing}。", "{who}送了{thing}。"),
}
_PRESENT_OF: Wordings = {
    "en": ("The present from {who} was the", "{who} gave the", "The thing that {who} gave was the"),
    "zh": ("{who}送的礼物是", "{who}送的是", "来自{who}的礼物是"),
}
_WHAT_GAVE: Wordings = {"en": ("What did {who} give?",), "zh": ("{who}送了什么？",)}
_GIVER_OF: Wordings = {"en": ("The {thing} was a present from", "The {thing} came from"), "zh": ("送{thing}的人是", "{thing}来自")}
_WHO_GAVE: Wordings = {"en": ("Who gave the {thing}?",), "zh": ("谁送了{thing}？",)}


def giving(teller: Teller) -> None:
    """Things change hands."""
    rng = teller.rng
    people: list[Person] = teller.some(teller.words.people, 2, 4)
    things = coloured(teller, teller.some(teller.words.things, 1, min(3, len(people))))
    holder = dict(zip(things, rng.sample(people, len(things)), strict=True))
    for thing, who in holder.items():
        teller.say(_HAS, who, thing=thing)
    for _ in range(rng.randint(1, 4)):
        _change_hands(teller, people, holder)
    for thing, who in holder.items():
        teller.conclude("names", THING_IS_WITH, WHO_HAS, who, thing=thing)
        if list(holder.values()).count(who) == 1 and alone(teller, thing):
            teller.conclude("objects", HAS_THING, WHAT_HAS, thing, who=who)


def _change_hands(teller: Teller, people: list[Person], holder: dict[str, Person]) -> None:
    thing = teller.rng.choice(list(holder))
    old = holder[thing]
    other = teller.rng.choice([person for person in people if person is not old])
    theirs = [[t for t, person in holder.items() if person is p] for p in (old, other)]
    if all(len(own) == 1 for own in theirs) and teller.rng.random() < 0.4:
        teller.happen(_SWAPS, old, other=other)
        holder[theirs[0][0]], holder[theirs[1][0]] = other, old
    elif teller.rng.random() < 0.65:
        teller.happen(_GIVES, old, other=other, thing=thing)
        holder[thing] = other
    else:
        teller.happen(_GETS, other, other=old, thing=thing)
        holder[thing] = other


def presents(teller: Teller) -> None:
    """Everybody brings a present."""
    people = teller.some(teller.words.people, 2, 4)
    things = teller.rng.sample(teller.words.things, len(people))
    for who, thing in zip(people, things, strict=True):
        teller.say(_PRESENTS, who, thing=thing)
    for who, thing in zip(people, things, strict=True):
        teller.conclude("objects", _PRESENT_OF, _WHAT_GAVE, thing, who=who)
        teller.conclude("names", _GIVER_OF, _WHO_GAVE, who, thing=thing)
