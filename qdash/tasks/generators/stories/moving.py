"""Stories about who and what is where: walking about with things, putting things away, going along, going home.

Places are tracked as a reader would: what somebody carries moves along, what is put down stays.
"""

from __future__ import annotations

from qdash.tasks.generators.stories.lexicon import Person
from qdash.tasks.generators.stories.telling import Teller, Wordings

_GOES: Wordings = {
    "en": (
        "{who} went to the {place}.",
        "{who} walked to the {place}.",
        "{who} ran to the {place}.",
        "{who} moved to the {place}.",
        "{who} hurried to the {place}.",
        "{who} came to the {place}.",
    ),
    "zh": ("{who}去了{place}。", "{who}走到了{place}。", "{who}跑到了{place}。", "{who}来到了{place}。", "{who}赶到了{place}。"),
}
_TAKES: Wordings = {
    "en": ("{who} picked up the {thing}.", "{who} took the {thing}.", "{who} grabbed the {thing}.", "{who} found the {thing}."),
    "zh": ("{who}捡起了{thing}。", "{who}拿起了{thing}。", "{who}拿走了{thing}。", "{who}找到了{thing}。"),
}
_DROPS: Wordings = {
    "en": ("{who} put down the {thing}.", "{who} dropped the {thing}.", "{who} left the {thing} there.", "{who} let go of the {thing}."),
    "zh": ("{who}放下了{thing}。", "{who}丢下了{thing}。", "{who}把{thing}留在了那里。", "{who}松手放开了{thing}。"),
}
_PUTS: Wordings = {
    "en": (
        "{who} put the {thing} in the {place}.",
        "{who} hid the {thing} in the {place}.",
        "{who} left the {thing} in the {place}.",
        "{who} placed the {thing} in the {place}.",
        "{who} took the {thing} to the {place}.",
        "The {thing} was put in the {place} by {who}.",
    ),
    "zh": (
        "{who}把{thing}放在{place}里。",
        "{who}把{thing}藏在{place}里。",
        "{who}把{thing}留在{place}里。",
        "{who}把{thing}收进了{place}。",
        "{who}把{thing}带到了{place}。",
        "{thing}被{who}放在{place}里。",
    ),
}
_SHIFTS: Wordings = {
    "en": (
        "{who} moved the {thing} from the {old} to the {place}.",
        "{who} moved the {thing} to the {place}.",
        "{who} took the {thing} out of the {old} and put it in the {place}.",
        "The {thing} was moved to the {place} by {who}.",
    ),
    "zh": (
        "{who}把{thing}从{old}移到了{place}。",
        "{who}把{thing}移到了{place}。",
        "{who}从{old}里拿出{thing}，放进了{place}。",
        "{thing}被{who}移到了{place}。",
    ),
}
_JOINS: Wordings = {
    "en": ("{who} followed {other}.", "{who} went with {other}.", "{who} joined {other}.", "{who} went to the same place as {other}."),
    "zh": ("{who}跟着{other}去了。", "{who}和{other}一起去了。", "{who}去找{other}了。", "{who}去了和{other}一样的地方。"),
}
_LIVES: Wordings = {
    "en": ("{who} lives in the {place}.", "{who}'s home is the {place}.", "The home of {who} is the {place}."),
    "zh": ("{who}住在{place}。", "{who}的家是{place}。", "{who}的家在{place}。"),
}
_RETURNS: Wordings = {
    "en": ("In the evening, {who} went home.", "{who} went back home.", "{who} returned home."),
    "zh": ("晚上，{who}回家了。", "{who}回到了家。", "{who}又回家去了。"),
}

_THING_IS_IN: Wordings = {
    "en": ("The {thing} is in the", "Now the {thing} is in the", "You can find the {thing} in the", "In the end, the {thing} is in the"),
    "zh": ("{thing}在", "现在{thing}在", "最后，{thing}在", "要找{thing}，就去"),
}
_WHERE_IS_THING: Wordings = {"en": ("Where is the {thing}?", "Where is the {thing} now?"), "zh": ("{thing}在哪里？", "{thing}现在在哪里？")}
_PERSON_IS_IN: Wordings = {
    "en": ("{who} is in the", "Now {who} is in the", "You can meet {who} in the", "In the end, {who} is in the"),
    "zh": ("{who}在", "现在{who}在", "最后，{who}在", "要找{who}，就去"),
}
_WHERE_IS_PERSON: Wordings = {"en": ("Where is {who}?", "Where is {who} now?"), "zh": ("{who}在哪里？", "{who}现在在哪里？")}
_IN_PLACE_IS_THING: Wordings = {
    "en": ("In the {place} is the", "The thing in the {place} is the", "In the {place} you can find the"),
    "zh": ("{place}里有", "{place}里的东西是", "在{place}可以找到"),
}
_WHAT_IS_IN: Wordings = {"en": ("What is in the {place}?",), "zh": ("{place}里有什么？",)}
_IN_PLACE_IS_PERSON: Wordings = {
    "en": ("The one in the {place} is", "In the {place} you can meet", "The person in the {place} is"),
    "zh": ("在{place}的人是", "{place}里的人是", "在{place}可以见到"),
}
_WHO_IS_IN: Wordings = {"en": ("Who is in the {place}?",), "zh": ("谁在{place}？",)}
HAS_THING: Wordings = {
    "en": ("{who} has the", "Now {who} has the", "What {who} is holding is the"),
    "zh": ("{who}拿着", "现在{who}有", "{who}手里的东西是"),
}
WHAT_HAS: Wordings = {"en": ("What does {who} have?",), "zh": ("{who}有什么？",)}
THING_IS_WITH: Wordings = {
    "en": ("The {thing} is now with", "The one who has the {thing} is", "The person holding the {thing} is"),
    "zh": ("拿着{thing}的人是", "现在{thing}属于", "有{thing}的人是"),
}
WHO_HAS: Wordings = {"en": ("Who has the {thing}?",), "zh": ("谁有{thing}？",)}


def coloured(teller: Teller, things: list[str]) -> list[str]:
    """The things, in a third of the stories with colours, and then often two of the same sort."""
    if teller.rng.random() < 0.67:
        return things
    nouns = [teller.rng.choice(things) for _ in things]
    joint = " " if teller.language == "en" else "的"
    return [colour + joint + noun for colour, noun in zip(teller.rng.sample(teller.words.colours, len(nouns)), nouns, strict=True)]


def alone(teller: Teller, thing: str) -> bool:
    """Whether one word names the thing, so that it can be an answer."""
    return thing in teller.words.things


class Walk:
    """Who is where, who carries what, and where things lie."""

    def __init__(self, teller: Teller) -> None:
        """Two or three people, some places and things; nobody is anywhere yet."""
        self.teller, self.rng = teller, teller.rng
        self.people: list[Person] = teller.some(teller.words.people, 2, 3)
        self.places: list[str] = teller.some(teller.words.places, 3, 4)
        self.things = coloured(teller, teller.some(teller.words.things, 1, 3))
        self.spot: dict[Person, str] = {}
        self.holder: dict[str, Person] = {}
        self.lying: dict[str, str] = {}

    def step(self) -> None:
        """One person goes somewhere, takes something or puts something down."""
        who = self.rng.choice(self.people)
        held = [thing for thing, holder in self.holder.items() if holder is who]
        free = [t for t in self.things if t not in self.holder and self.lying.get(t) in (None, self.spot.get(who))]
        if who in self.spot and held and self.rng.random() < 0.4:
            thing = self.rng.choice(held)
            self.teller.happen(_DROPS, who, thing=thing)
            self.lying[thing] = self.spot[who]
            del self.holder[thing]
        elif who in self.spot and free and self.rng.random() < 0.6:
            thing = self.rng.choice(free)
            self.teller.happen(_TAKES, who, thing=thing)
            self.holder[thing] = who
        else:
            place = self.rng.choice([place for place in self.places if place != self.spot.get(who)])
            self.teller.happen(_GOES, who, place=place)
            self.spot[who] = place

    def conclude(self) -> None:
        """States every fact that is known and has one answer."""
        for who, place in self.spot.items():
            conclude_person(self.teller, self.spot, who, place)
            held = [thing for thing, holder in self.holder.items() if holder is who]
            if len(held) == 1 and alone(self.teller, held[0]):
                self.teller.conclude("objects", HAS_THING, WHAT_HAS, held[0], who=who)
        for thing, holder in self.holder.items():
            self.teller.conclude("places", _THING_IS_IN, _WHERE_IS_THING, self.spot[holder], thing=thing)
            self.teller.conclude("names", THING_IS_WITH, WHO_HAS, holder, thing=thing)
        for thing, place in self.lying.items():
            if thing not in self.holder:
                self.teller.conclude("places", _THING_IS_IN, _WHERE_IS_THING, place, thing=thing)


def conclude_person(teller: Teller, spot: dict[Person, str], who: Person, place: str) -> None:
    """States where a person is, and who is there if nobody else is."""
    teller.conclude("places", _PERSON_IS_IN, _WHERE_IS_PERSON, place, who=who)
    if list(spot.values()).count(place) == 1:
        teller.conclude("names", _IN_PLACE_IS_PERSON, _WHO_IS_IN, who, place=place)


def walking(teller: Teller) -> None:
    """People walk about, take things along and put them down."""
    walk = Walk(teller)
    for _ in range(teller.rng.randint(2, 8)):
        walk.step()
    walk.conclude()


def putting(teller: Teller) -> None:
    """Things are put into rooms or containers, and some are moved."""
    rng = teller.rng
    people = teller.some(teller.words.people, 1, 3)
    places = teller.some(rng.choice((teller.words.places, teller.words.containers)), 3, 5)
    things = coloured(teller, teller.some(teller.words.things, 1, 4))
    spot: dict[str, str] = {}
    for thing in things:
        spot[thing] = rng.choice(places)
        teller.happen(_PUTS, rng.choice(people), thing=thing, place=spot[thing])
    for _ in range(rng.randint(0, 3)):
        thing = rng.choice(things)
        old, spot[thing] = spot[thing], rng.choice([place for place in places if place != spot[thing]])
        teller.happen(_SHIFTS, rng.choice(people), thing=thing, old=old, place=spot[thing])
    for thing, place in spot.items():
        teller.conclude("places", _THING_IS_IN, _WHERE_IS_THING, place, thing=thing)
        if list(spot.values()).count(place) == 1 and alone(teller, thing):
            teller.conclude("objects", _IN_PLACE_IS_THING, _WHAT_IS_IN, thing, place=place)


def following(teller: Teller) -> None:
    """Some go somewhere, others go along with them."""
    rng = teller.rng
    people = teller.some(teller.words.people, 2, 4)
    places = teller.some(teller.words.places, 3, 4)
    spot: dict[Person, str] = {}
    for who in people:
        leaders = [person for person in spot if person is not who]
        _move(teller, spot, who, leaders, places)
    for _ in range(rng.randint(0, 3)):
        who = rng.choice(people)
        _move(teller, spot, who, [person for person in people if spot[person] != spot[who]], places)
    for who, place in spot.items():
        conclude_person(teller, spot, who, place)


def _move(teller: Teller, spot: dict[Person, str], who: Person, leaders: list[Person], places: list[str]) -> None:
    if leaders and teller.rng.random() < 0.5:
        other = teller.rng.choice(leaders)
        teller.happen(_JOINS, who, other=other)
        spot[who] = spot[other]
    else:
        spot[who] = teller.rng.choice([place for place in places if place != spot.get(who)])
        teller.happen(_GOES, who, place=spot[who])


def returning(teller: Teller) -> None:
    """Everybody has a home; some go out, some go back."""
    rng = teller.rng
    people = teller.some(teller.words.people, 2, 3)
    homes = dict(zip(people, rng.sample(teller.words.places, len(people)), strict=True))
    away = rng.sample([place for place in teller.words.places if place not in homes.values()], 3)
    for who, place in homes.items():
        teller.say(_LIVES, who, place=place)
    spot: dict[Person, str] = {}
    for _ in range(rng.randint(1, 5)):
        who = rng.choice(people)
        if who in spot and spot[who] != homes[who]:
            spot[who] = homes[who]
            teller.happen(_RETURNS, who)
        else:
            spot[who] = rng.choice(away)
            teller.happen(_GOES, who, place=spot[who])
    for who, place in spot.items():
        conclude_person(teller, spot, who, place)
