"""Stories about what is said of people: their trades, foods, pets and hats, what they choose, and the tool they need.

The last word is a person's name or a thing's.
"""

from __future__ import annotations

from qdash.tasks.generators.stories.telling import Teller, Wordings

_FACTS: dict[str, tuple[Wordings, Wordings, Wordings, Wordings, Wordings]] = {
    "trades": (
        {
            "en": ("{who} works as a {fact}.", "{who} is a {fact}.", "{who} became a {fact}."),
            "zh": ("{who}是{fact}。", "{who}当上了{fact}。"),
        },
        {"en": ("The {fact} is", "The name of the {fact} is", "The one who works as a {fact} is"), "zh": ("{fact}是", "{fact}的名字是")},
        {"en": ("Who is the {fact}?",), "zh": ("谁是{fact}？",)},
        {"en": ("By trade, {who} is a", "The job of {who} is that of a"), "zh": ("{who}的工作是", "{who}的职业是")},
        {"en": ("What is the job of {who}?",), "zh": ("{who}的职业是什么？",)},
    ),
    "foods": (
        {
            "en": ("{who} likes {fact}.", "{who} only eats {fact}.", "{who}'s favorite food is {fact}."),
            "zh": ("{who}喜欢吃{fact}。", "{who}只吃{fact}。"),
        },
        {"en": ("The one who likes {fact} is", "The person who eats {fact} is"), "zh": ("喜欢吃{fact}的人是", "吃{fact}的是")},
        {"en": ("Who likes {fact}?",), "zh": ("谁喜欢吃{fact}？",)},
        {"en": ("What {who} likes is", "For lunch, {who} wants some"), "zh": ("{who}喜欢吃的是", "午饭时，{who}想吃")},
        {"en": ("What does {who} like?",), "zh": ("{who}喜欢吃什么？",)},
    ),
    "animals": (
        {
            "en": ("{who} has a pet {fact}.", "{who} keeps a {fact}.", "{who} looks after a {fact}."),
            "zh": ("{who}养了{fact}。", "{who}的宠物是{fact}。"),
        },
        {
            "en": ("The {fact} belongs to", "The owner of the {fact} is", "The one with the {fact} is"),
            "zh": ("养{fact}的人是", "{fact}的主人是"),
        },
        {"en": ("Who has the {fact}?",), "zh": ("谁养了{fact}？",)},
        {"en": ("The pet of {who} is a", "The animal that {who} has is a"), "zh": ("{who}养的动物是", "{who}家里有")},
        {"en": ("Which animal does {who} have?",), "zh": ("{who}养了什么动物？",)},
    ),
    "colours": (
        {
            "en": ("{who}'s hat is {fact}.", "{who} wears a hat that is {fact}.", "{who} painted a hat {fact}."),
            "zh": ("{who}的帽子是{fact}。", "{who}戴着{fact}的帽子。"),
        },
        {"en": ("The {fact} hat belongs to", "The one with the {fact} hat is"), "zh": ("{fact}帽子的主人是", "戴{fact}帽子的人是")},
        {"en": ("Whose hat is {fact}?",), "zh": ("谁的帽子是{fact}？",)},
        {"en": ("The color of the hat of {who} is",), "zh": ("{who}帽子的颜色是",)},
        {"en": ("What color is the hat of {who}?",), "zh": ("{who}的帽子是什么颜色？",)},
    ),
}
"""By table of facts: the fact, whose it is (stem, question), and which it is (stem, question)."""

_WANTS: Wordings = {
    "en": (
        "{who} wanted the {wanted}, but it was too expensive. So {who} bought the {got} instead.",
        "{who} could not decide between the {got} and the {wanted}. In the end the {wanted} stayed in the shop.",
        "{who} liked the {got} and hated the {wanted}. A friend gave {who} what {who} liked.",
        "The {wanted} was broken and the {got} was fine. {who} took the one that was fine.",
        "{who} saw the {wanted} and the {got}. The {wanted} was already sold, so {who} chose the other one.",
    ),
    "zh": (
        "{who}想要{wanted}，可是太贵了，所以改买了{got}。",
        "{who}在{got}和{wanted}之间犹豫。最后{wanted}留在了店里。",
        "{who}喜欢{got}，讨厌{wanted}。朋友送了{who}喜欢的那一样。",
        "{wanted}坏了，{got}是好的。{who}拿了好的那一样。",
        "{who}看到了{wanted}和{got}。{wanted}已经卖掉了，所以{who}选了另一样。",
    ),
}
_WENT_HOME_WITH: Wordings = {"en": ("{who} went home with the", "{who} got the"), "zh": ("{who}带回家的是", "{who}得到了")}
_WHAT_GOT: Wordings = {"en": ("What did {who} get?",), "zh": ("{who}得到了什么？",)}

_LYING: Wordings = {
    "en": (
        "On the table were the {a}, the {b} and the {c}.",
        "{who} owned the {a}, the {b} and the {c}.",
        "There lay the {a}, the {b} and the {c}.",
    ),
    "zh": ("桌上有{a}、{b}和{c}。", "{who}有{a}、{b}和{c}。", "那里放着{a}、{b}和{c}。"),
}
_PURPOSE: Wordings = {
    "en": (
        "{who} wanted to {purpose}.",
        "{who} had to {purpose}.",
        "{who} was asked to {purpose}.",
        "It was time to {purpose}, said {who}.",
    ),
    "zh": ("{who}想{purpose}。", "{who}要{purpose}。", "有人请{who}{purpose}。", "{who}需要{purpose}。"),
}
_USES: Wordings = {
    "en": ("So {who} used the", "For that, {who} took the", "What {who} needed was the"),
    "zh": ("于是{who}用了", "为此，{who}拿起了", "{who}需要的是"),
}
_WHAT_NEEDS: Wordings = {"en": ("What did {who} need?",), "zh": ("{who}需要什么？",)}


def describing(teller: Teller) -> None:
    """Everybody has a trade, a favourite food, a pet or a hat of their own."""
    table = teller.rng.choice(list(_FACTS))
    people = teller.some(teller.words.people, 2, 4)
    facts = [getattr(fact, "many", fact) for fact in teller.rng.sample(getattr(teller.words, table), len(people))]
    if table == "animals":
        facts = [animal.one for animal in teller.rng.sample(teller.words.animals, len(people))]
    told, whose, whose_question, which, which_question = _FACTS[table]
    for who, fact in zip(people, facts, strict=True):
        teller.say(told, who, fact=fact)
    for who, fact in zip(people, facts, strict=True):
        teller.conclude("names", whose, whose_question, who, fact=fact)
        teller.conclude("objects", which, which_question, fact, who=who)


def choosing(teller: Teller) -> None:
    """One or two people want one thing and get another."""
    people = teller.some(teller.words.people, 1, 2)
    things = teller.rng.sample(teller.words.things, 2 * len(people))
    for index, who in enumerate(people):
        got, wanted = things[2 * index : 2 * index + 2]
        teller.say(_WANTS, who, got=got, wanted=wanted)
        teller.conclude("objects", _WENT_HOME_WITH, _WHAT_GOT, got, who=who)


def using(teller: Teller) -> None:
    """Somebody has something to do, and only one of three tools serves."""
    (who,) = teller.rng.sample(teller.words.people, 1)
    uses = teller.rng.sample(teller.words.uses, 3)
    a, b, c = (tool for _, tool in uses)
    purpose, tool = teller.rng.choice(uses)
    if teller.rng.random() < 0.8:
        teller.say(_LYING, who, a=a, b=b, c=c)
    teller.say(_PURPOSE, who, purpose=purpose)
    teller.conclude("objects", _USES, _WHAT_NEEDS, tool, who=who)
