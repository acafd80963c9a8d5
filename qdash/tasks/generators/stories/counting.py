"""Stories to count along: getting and losing, coming and going, sharing, listing, counting aloud.

The last word is a number from one to twelve; in Chinese it is the number with its measure word, as one would say it.
"""

from __future__ import annotations

from qdash.tasks.generators.phrases import Language
from qdash.tasks.generators.stories.lexicon import Countable, Person
from qdash.tasks.generators.stories.telling import LEXICONS, Teller, Wordings

MOST = 10

_HAS: Wordings = {
    "en": ("{who} had {amount}.", "{who} bought {amount}.", "{who} started with {amount}.", "{who} picked {amount}."),
    "zh": ("{who}有{amount}。", "{who}买了{amount}。", "{who}起初有{amount}。", "{who}带来了{amount}。"),
}
_GAINS: Wordings = {
    "en": ("{who} found {n} more.", "{who} got {n} more.", "{who} bought another {n}.", "A friend gave {who} {n} more."),
    "zh": ("{who}又找到了{n}。", "{who}又得到了{n}。", "{who}又买了{n}。", "朋友又给了{who}{n}。"),
}
_LOSES: Wordings = {
    "en": (
        "{who} ate {n} of them.",
        "{who} lost {n} of them.",
        "{who} gave away {n}.",
        "{who} sold {n} of them.",
        "A thief took {n} from {who}.",
    ),
    "zh": ("{who}吃掉了{n}。", "{who}丢了{n}。", "{who}送掉了{n}。", "{who}卖掉了{n}。", "小偷拿走了{who}的{n}。"),
}
_HAS_NOW: Wordings = {
    "en": (
        "The number of {many} that {who} has now is",
        "If {who} counts the {many} now, the number is",
        "In the end, the number of {many} is",
    ),
    "zh": ("现在{who}有{many}", "{who}的{many}现在一共是", "最后，{many}的数量是"),
}
_HOW_MANY_HAS: Wordings = {"en": ("How many {many} does {who} have now?",), "zh": ("{who}现在有多少{many}？",)}

_ARE_THERE: Wordings = {
    "en": ("There were {amount} in the {place}.", "In the {place} sat {amount}.", "In the {place} lived {amount}."),
    "zh": ("{place}里有{amount}。", "{place}里坐着{amount}。", "{place}里住着{amount}。"),
}
_COME: Wordings = {
    "en": ("{n} more came.", "Another {n} arrived.", "Then {n} more joined them."),
    "zh": ("又来了{n}。", "后来又到了{n}。", "又有{n}加入了。"),
}
_LEAVE: Wordings = {
    "en": ("{n} of them left.", "{n} of them went away.", "Then {n} ran away."),
    "zh": ("走了{n}。", "有{n}离开了。", "后来跑掉了{n}。"),
}
_ARE_NOW: Wordings = {
    "en": ("Now the number of {many} in the {place} is", "The number of {many} that are still there is"),
    "zh": ("现在{place}里的{many}有", "那里的{many}还有"),
}
_HOW_MANY_ARE: Wordings = {"en": ("How many {many} are in the {place} now?",), "zh": ("现在{place}里有多少{many}？",)}

_EACH_HAS: Wordings = {
    "en": ("{who} has {amount}.", "{who} brought {amount}.", "{amount} belong to {who}."),
    "zh": ("{who}有{amount}。", "{who}带来{amount}。", "{who}买了{amount}。"),
}
_TOGETHER: Wordings = {
    "en": ("Together, the number of {many} they have is", "In all, the number of {many} is", "All the {many} together make"),
    "zh": ("他们一共有{many}", "{many}加起来是", "所有的{many}总共有"),
}
_HOW_MANY_TOGETHER: Wordings = {"en": ("How many {many} do they have together?",), "zh": ("他们一共有多少{many}？",)}

_LISTED: Wordings = {
    "en": ("In the {box} were the {listed}.", "{who} put the {listed} in the {box}.", "{who} packed the {listed} into the {box}."),
    "zh": ("{box}里有{listed}。", "{who}把{listed}放进{box}。", "{who}往{box}里装了{listed}。"),
}
_THINGS_IN: Wordings = {
    "en": ("The number of things in the {box} is", "If you count the things in the {box}, you get"),
    "zh": ("{box}里的东西一共有", "数一数{box}里的东西，有"),
}
_HOW_MANY_IN: Wordings = {"en": ("How many things are in the {box}?",), "zh": ("{box}里有几样东西？",)}

_ALOUD: Wordings = {
    "en": ("{who} was learning to count.", "{who} counted aloud.", "{who} wanted to fall asleep and counted.", "{who} counted the stairs."),
    "zh": ("{who}在学数数。", "{who}大声数数。", "{who}想睡觉，就数起数来。", "{who}数着台阶。"),
}
_SERIES: Wordings = {"en": ("{who} said: {series},", "It went like this: {series},"), "zh": ("{who}说：{series}，", "就这样数：{series}，")}
_WHICH_NEXT: Wordings = {"en": ("Which number comes next?",), "zh": ("下一个数是什么？",)}


def number(language: Language, n: int, measure: str = "") -> str:
    """A number as a word; Chinese says 两 before a measure word and 二 without."""
    word = LEXICONS[language].numbers[n]
    if language == "en":
        return word
    return word + measure if measure else word.replace("两", "二")


def amount(language: Language, n: int, noun: Countable) -> str:
    """A number of things: "three apples", "one apple", "三个苹果"."""
    if language == "zh":
        return number(language, n, noun.measure) + noun.one
    return f"{number(language, n)} {noun.one if n == 1 else noun.many}"


def change(teller: Teller, total: int, most: int = 4) -> int:
    """By how much a total changes next, so that it stays from one to `MOST`; never zero."""
    return teller.rng.choice([step for step in range(-most, most + 1) if step and 1 <= total + step <= MOST])


def collecting(teller: Teller) -> None:
    """Somebody has some of a food, gets more and loses some."""
    language, noun = teller.language, teller.rng.choice(teller.words.foods)
    who: Person = teller.rng.choice(teller.words.people)
    total = teller.rng.randint(1, 8)
    teller.say(_HAS, who, amount=amount(language, total, noun))
    for _ in range(teller.rng.choice((1, 1, 2, 2, 3))):
        step = change(teller, total)
        teller.happen(_GAINS if step > 0 else _LOSES, who, n=number(language, abs(step), noun.measure))
        total += step
    teller.conclude("counting", _HAS_NOW, _HOW_MANY_HAS, number(language, total, noun.measure), who=who, many=noun.many)


def visiting(teller: Teller) -> None:
    """Animals come to a place and leave it."""
    language, noun, place = teller.language, teller.rng.choice(teller.words.animals), teller.rng.choice(teller.words.places)
    total = teller.rng.randint(2, 8)
    teller.say(_ARE_THERE, amount=amount(language, total, noun), place=place)
    for _ in range(teller.rng.choice((1, 1, 2, 2, 3))):
        step = change(teller, total)
        teller.say(_COME if step > 0 else _LEAVE, n=number(language, abs(step), noun.measure))
        total += step
    teller.conclude("counting", _ARE_NOW, _HOW_MANY_ARE, number(language, total, noun.measure), many=noun.many, place=place)


def adding(teller: Teller) -> None:
    """Two or three people put together what they have."""
    language, noun = teller.language, teller.rng.choice(teller.words.foods)
    people = teller.some(teller.words.people, 2, 3)
    parts = [teller.rng.randint(2, 5 if len(people) == 2 else 4) for _ in people]
    for who, part in zip(people, parts, strict=True):
        teller.say(_EACH_HAS, who, amount=amount(language, part, noun))
    teller.conclude("counting", _TOGETHER, _HOW_MANY_TOGETHER, number(language, sum(parts), noun.measure), many=noun.many)


def listing(teller: Teller) -> None:
    """Things are named one by one, in one or two containers."""
    language, rng = teller.language, teller.rng
    boxes = teller.some(teller.words.containers, 1, 2)
    things = rng.sample(teller.words.things, 10)
    for box in boxes:
        listed = [things.pop() for _ in range(rng.randint(2, 5))]
        joined = "、".join(listed[:-1]) + "和" + listed[-1] if language == "zh" else ", the ".join(listed[:-1]) + " and the " + listed[-1]
        teller.say(_LISTED, rng.choice(teller.words.people), box=box, listed=joined)
        teller.conclude("counting", _THINGS_IN, _HOW_MANY_IN, number(language, len(listed), "样"), box=box)


def aloud(teller: Teller) -> None:
    """Somebody counts up or down, by ones or twos."""
    rng, language = teller.rng, teller.language
    step = rng.choice((1, 1, 2, -1, -2))
    length = rng.randint(3, 4)
    firsts = [n for n in range(1, 13) if 1 <= n + step * length <= 12]
    first = rng.choice(firsts)
    *shown, answer = (number(language, first + step * index) for index in range(length + 1))
    who = rng.choice(teller.words.people)
    teller.say(_ALOUD, who)
    teller.conclude("counting", _SERIES, _WHICH_NEXT, answer, who=who, series=(", " if language == "en" else "，").join(shown))
