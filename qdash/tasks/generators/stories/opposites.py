"""Stories that turn on opposites: of two alike things one is the other way, somebody is wrong, something changes.

The last word is an adjective. Half of the stories end with the word that was told and half with its opposite, so that a
reader who does not follow the story is wrong half of the time.
"""

from __future__ import annotations

from qdash.tasks.generators.stories.lexicon import Person, words
from qdash.tasks.generators.stories.telling import Teller, Wordings

_CONTRASTS: Wordings = {
    "en": (
        "The {noun} that belongs to {who} is {told}. The {noun} of {other} is just the opposite.",
        "The {noun} of {who} is {told}, and the {noun} of {other} is quite the reverse.",
        "{who} says: my {noun} is {told}. {other} says: mine is the opposite.",
    ),
    "zh": (
        "{who}的{noun}很{told}。{other}的{noun}正好相反。",
        "{who}的{noun}很{told}，{other}的{noun}却完全相反。",
        "{who}说：我的{noun}很{told}。{other}说：我的正相反。",
    ),
}
_ALIKE: Wordings = {
    "en": (
        "The {noun} that belongs to {who} is {told}. The {noun} of {other} is just the same.",
        "The {noun} of {who} is {told}, and so is the {noun} of {other}.",
        "{who} says: my {noun} is {told}. {other} says: mine is the same.",
    ),
    "zh": (
        "{who}的{noun}很{told}。{other}的{noun}也一样。",
        "{who}的{noun}很{told}，{other}的{noun}也是这样。",
        "{who}说：我的{noun}很{told}。{other}说：我的也一样。",
    ),
}
_NOUN_OF_IS: Wordings = {"en": ("The {noun} of {who} is", "So {who}'s {noun} is"), "zh": ("{who}的{noun}很", "所以{who}的{noun}很")}
_HOW_IS_NOUN_OF: Wordings = {"en": ("How is the {noun} of {who}?",), "zh": ("{who}的{noun}怎么样？",)}

_TWO: Wordings = {
    "en": (
        "There were two of them: one {noun} was {a}, the other was {b}. {who} took the {told} one and {other} took the other.",
        "One {noun} was {a} and one was {b}. {who} chose the {told} one, so {other} got the one that was left.",
        "{who} and {other} each owned one {noun}, one {a} and one {b}. The {told} one belonged to {who}.",
    ),
    "zh": (
        "有两样：一个{noun}很{a}，另一个很{b}。{who}要了{told}的，{other}要了另一个。",
        "一个{noun}很{a}，一个{noun}很{b}。{who}选了{told}的，剩下的归{other}。",
        "{who}和{other}各有一个{noun}，一个很{a}，一个很{b}。{told}的是{who}的。",
    ),
}

_RIGHT: Wordings = {
    "en": (
        "{who} thought that the {noun} was {told}. {who} was right.",
        "{who} said that the {noun} was {told}, and it was true.",
        "{who} heard that the {noun} was {told}. That was correct.",
    ),
    "zh": ("{who}以为{noun}很{told}。{who}想对了。", "{who}说{noun}很{told}，这是真的。", "{who}听说{noun}很{told}。这没有错。"),
}
_WRONG: Wordings = {
    "en": (
        "{who} thought that the {noun} was {told}. {who} was wrong.",
        "{who} said that the {noun} was {told}, but it was not true.",
        "{who} heard that the {noun} was {told}. That was a mistake.",
        "{who} hoped that the {noun} was {told}, but it was the opposite.",
    ),
    "zh": (
        "{who}以为{noun}很{told}。{who}想错了。",
        "{who}说{noun}很{told}，这不是真的。",
        "{who}听说{noun}很{told}。这是个错误。",
        "{who}希望{noun}很{told}，可是正相反。",
    ),
}
_NOUN_IS: Wordings = {
    "en": ("In truth, the {noun} was", "The {noun} was", "As it turned out, the {noun} was"),
    "zh": ("其实{noun}很", "原来{noun}很", "{noun}很"),
}
_HOW_IS_NOUN: Wordings = {"en": ("How was the {noun}?",), "zh": ("{noun}怎么样？",)}

_STAYS: Wordings = {
    "en": (
        "The {noun} was {told}. {who} wanted it to stay that way, and it did.",
        "The {noun} was {told}. {who} looked at it and changed nothing.",
    ),
    "zh": ("{noun}很{told}。{who}希望它不变，它就没有变。", "{noun}很{told}。{who}看了看，什么也没改。"),
}
_CHANGES: Wordings = {
    "en": (
        "The {noun} was {told}. {who} did not like that and changed it.",
        "The {noun} used to be {told}. {who} turned that into the opposite.",
    ),
    "zh": ("{noun}很{told}。{who}不喜欢，把它变了过来。", "{noun}以前很{told}。{who}让它变得相反了。"),
}
_NOW_NOUN_IS: Wordings = {"en": ("Now the {noun} is", "Today the {noun} is"), "zh": ("现在{noun}很", "如今{noun}很")}
_HOW_IS_NOUN_NOW: Wordings = {"en": ("How is the {noun} now?",), "zh": ("{noun}现在怎么样？",)}

_DENIES: Wordings = {
    "en": ("{who} asked about the {noun}. It was not {told} at all.", "{who} looked at the {noun}. Nobody could call it {told}."),
    "zh": ("{who}问起{noun}。它一点也不{told}。", "{who}看了看{noun}。谁也不会说它{told}。"),
}
_AFFIRMS: Wordings = {
    "en": ("{who} asked about the {noun}. It was {told} indeed.", "{who} looked at the {noun}. Everybody called it {told}."),
    "zh": ("{who}问起{noun}。它确实很{told}。", "{who}看了看{noun}。谁都说它{told}。"),
}
_LESSON: Wordings = {
    "en": ("{who} learned about opposites at school.", "{who} asked: which word means the opposite?", "{who} played a game of opposites."),
    "zh": ("{who}在学校学反义词。", "{who}问：哪个词的意思相反？", "{who}在玩反义词的游戏。"),
}
_OPPOSITE_IS: Wordings = {"en": ("The opposite of {told} is", "If it is not {told}, it is"), "zh": ("{told}的反义词是", "不{told}就是")}
_WHAT_IS_OPPOSITE: Wordings = {"en": ("What is the opposite of {told}?",), "zh": ("{told}的反义词是什么？",)}

_NOBODYS = frozenset(
    words(
        "king sea sky road river street town station mountain island village weather film music grass child boy girl guest wind tooth skin "
        "family flight train speech lake team queen 国王 大海 天空 路 河 街道 小镇 车站 小岛 村子 天气 电影 消息 演讲 "
        "孩子 男孩 女孩 客人 公主 湖 火车 皮肤 冰 商店 山洞 草地"
    )
)
"""Nouns that do not sound right as somebody's."""


def _sides(teller: Teller) -> tuple[str, str, str]:
    """An adjective, its opposite, and a noun for both that somebody can own."""
    pair = teller.rng.choice([pair for pair in teller.words.opposites if not _NOBODYS.issuperset(pair.subjects)])
    told, other = teller.rng.sample((pair.first, pair.second), 2)
    return told, other, teller.rng.choice([subject for subject in pair.subjects if subject not in _NOBODYS])


def contrasting(teller: Teller) -> None:
    """Two people have the same sort of thing, alike or opposite."""
    told, opposite, noun = _sides(teller)
    who, other = teller.rng.sample(teller.words.people, 2)
    turned = teller.rng.random() < 0.6
    teller.say(_CONTRASTS if turned else _ALIKE, who, other=other, noun=noun, told=told)
    _of_each(teller, noun, {who: told, other: opposite if turned else told})


def dividing(teller: Teller) -> None:
    """Two opposite things are divided between two people."""
    told, opposite, noun = _sides(teller)
    who, other = teller.rng.sample(teller.words.people, 2)
    a, b = teller.rng.sample((told, opposite), 2)
    teller.say(_TWO, who, other=other, noun=noun, told=told, a=a, b=b)
    _of_each(teller, noun, {who: told, other: opposite})


def _of_each(teller: Teller, noun: str, truth: dict[Person, str]) -> None:
    for who, adjective in truth.items():
        teller.conclude("opposites", _NOUN_OF_IS, _HOW_IS_NOUN_OF, adjective, who=who, noun=noun)


def believing(teller: Teller) -> None:
    """Somebody is right or wrong about something."""
    _told_or_turned(teller, _RIGHT, _WRONG, _NOUN_IS, _HOW_IS_NOUN)


def changing(teller: Teller) -> None:
    """Something stays as it was or is changed."""
    _told_or_turned(teller, _STAYS, _CHANGES, _NOW_NOUN_IS, _HOW_IS_NOUN_NOW)


def denying(teller: Teller) -> None:
    """Something is said to be so, or not to be so."""
    _told_or_turned(teller, _AFFIRMS, _DENIES, _NOUN_IS, _HOW_IS_NOUN)


def teaching(teller: Teller) -> None:
    """The words themselves."""
    teller.say(_LESSON, teller.rng.choice(teller.words.people))
    for pair in teller.rng.sample(teller.words.opposites, 3):
        told, opposite = teller.rng.sample((pair.first, pair.second), 2)
        teller.conclude("opposites", _OPPOSITE_IS, _WHAT_IS_OPPOSITE, opposite, told=told)


def _told_or_turned(teller: Teller, kept: Wordings, turned: Wordings, stems: Wordings, questions: Wordings) -> None:
    """One or two such passages, each about another noun, and a statement about each."""
    pairs = teller.rng.sample(teller.words.opposites, teller.rng.randint(1, 2))
    nouns: set[str] = set()
    for pair in pairs:
        told, opposite = teller.rng.sample((pair.first, pair.second), 2)
        noun = teller.rng.choice([subject for subject in pair.subjects if subject not in nouns])
        nouns.add(noun)
        is_turned = teller.rng.random() < 0.6
        teller.say(turned if is_turned else kept, teller.rng.choice(teller.words.people), noun=noun, told=told)
        teller.conclude("opposites", stems, questions, opposite if is_turned else told, noun=noun)
