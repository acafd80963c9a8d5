"""Stories about people in relation to each other: comparisons, races and queues, families and friends.

The last word is always a name.
"""

from __future__ import annotations

from qdash.tasks.generators.stories.lexicon import Person
from qdash.tasks.generators.stories.telling import Teller, Wordings

_MORE: Wordings = {
    "en": ("{who} is {more} than {other}.", "{who} is a lot {more} than {other}."),
    "zh": ("{who}比{other}{more}。", "{who}比{other}{more}得多。"),
}
_MOST: Wordings = {
    "en": ("The {most} of them is", "Of them all, the {most} is", "The {most} is"),
    "zh": ("他们当中{most}的是", "{most}的是", "{most}的人是"),
}
_WHO_IS_MOST: Wordings = {"en": ("Who is the {most}?",), "zh": ("谁{most}？",)}

_FIRST: Wordings = {
    "en": (
        "{who} won the race.",
        "{who} came first in the race.",
        "{who} was the first to arrive.",
        "{who} stood at the front of the line.",
    ),
    "zh": ("{who}赢了比赛。", "{who}跑在第一名。", "{who}最先到达。", "{who}排在队伍最前面。"),
}
_AFTER: Wordings = {
    "en": (
        "{who} came right after {other}.",
        "{who} was just behind {other}.",
        "Right before {who} was {other}.",
        "Next after {other} was {who}.",
    ),
    "zh": ("{who}紧跟在{other}后面。", "{who}就在{other}之后。", "{other}后面是{who}。", "{who}的前面是{other}。"),
}
_PLACES_IN_LINE: tuple[tuple[Wordings, Wordings], ...] = (
    (
        {"en": ("The very first one was", "The first of them was"), "zh": ("第一名是", "排第一的是")},
        {"en": ("Who was first?",), "zh": ("谁是第一？",)},
    ),
    ({"en": ("The second one was", "Second was"), "zh": ("第二名是", "排第二的是")}, {"en": ("Who was second?",), "zh": ("谁是第二？",)}),
    (
        {"en": ("The very last one was", "The last of them was"), "zh": ("最后一名是", "排在最后的是")},
        {"en": ("Who was last?",), "zh": ("谁是最后？",)},
    ),
)

_RELATED: Wordings = {
    "en": ("{who}'s {relation} is {other}.", "The {relation} of {who} is {other}.", "{other} is the {relation} of {who}."),
    "zh": ("{who}的{relation}是{other}。", "{other}是{who}的{relation}。", "{who}有个{relation}叫{other}。"),
}
_RELATION_OF: Wordings = {
    "en": ("{who}'s {relation} is", "The {relation} of {who} is"),
    "zh": ("{who}的{relation}是", "说到{who}的{relation}，那就是"),
}
_WHO_IS_RELATION: Wordings = {"en": ("Who is {who}'s {relation}?",), "zh": ("谁是{who}的{relation}？",)}
_RELATION_OF_RELATION: Wordings = {"en": ("The {second} of {who}'s {relation} is",), "zh": ("{who}的{relation}的{second}是",)}
_WHO_IS_SECOND: Wordings = {"en": ("Who is the {second} of {who}'s {relation}?",), "zh": ("{who}的{relation}的{second}是谁？",)}


def comparing(teller: Teller) -> None:
    """Neighbours in an order are compared, either way round; the ends of the order are asked for."""
    rng = teller.rng
    people: list[Person] = teller.some(teller.words.people, 2, 4)
    more, less, most, least = rng.choice(teller.words.rankings)
    pairs = list(zip(people, people[1:], strict=False))
    if len(people) <= 3:
        rng.shuffle(pairs)
    for higher, lower in pairs:
        who, other, word = (higher, lower, more) if rng.random() < 0.6 else (lower, higher, less)
        teller.say(_MORE, who, other=other, more=word)
    teller.conclude("names", _MOST, _WHO_IS_MOST, people[0], most=most)
    teller.conclude("names", _MOST, _WHO_IS_MOST, people[-1], most=least)


def racing(teller: Teller) -> None:
    """People arrive, or stand in line, one after the other."""
    people: list[Person] = teller.some(teller.words.people, 3, 4)
    teller.say(_FIRST, people[0])
    for before, after in zip(people, people[1:], strict=False):
        teller.say(_AFTER, after, other=before)
    for who, (stems, questions) in zip((people[0], people[1], people[-1]), _PLACES_IN_LINE, strict=True):
        teller.conclude("names", stems, questions, who)


def relating(teller: Teller) -> None:
    """Brothers, teachers and neighbours; one statement goes two steps when the first step's person has a relation too."""
    rng = teller.rng
    people: list[Person] = teller.some(teller.words.people, 4, 6)
    relations = rng.sample(teller.words.relations, 3)
    chained = rng.random() < 0.5
    starts = [people[0], people[1] if chained else people[2]]
    links = [(starts[0], relations[0], people[1]), (starts[1], relations[1], people[3])]
    if len(people) == 6:
        links.append((people[4], relations[2], people[5]))
    rng.shuffle(links)
    for who, relation, other in links:
        teller.say(_RELATED, who, relation=relation, other=other)
        teller.conclude("names", _RELATION_OF, _WHO_IS_RELATION, other, who=who, relation=relation)
    if chained:
        teller.conclude(
            "names", _RELATION_OF_RELATION, _WHO_IS_SECOND, people[3], who=people[0], relation=relations[0], second=relations[1]
        )
