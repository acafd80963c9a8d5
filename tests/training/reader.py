"""Reads a story as text alone and says how it must end: a second opinion on the answers, made of patterns and no chance.

It shares the word lists with the storyteller, but none of its templates or books. A sentence that it cannot read is an error, so a
new wording has to be read here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from qdash.tasks.generators.phrases import Language
from qdash.tasks.generators.stories.lexicon import Lexicon
from qdash.tasks.generators.stories.telling import LEXICONS

ADVERBS = re.compile(r"^(Then |Later |After that, |Next, |In the evening, |然后|后来|接着|之后|晚上，)")

EVENTS: dict[str, tuple[str, ...]] = {
    "go": ("<p> (?:went|walked|ran|moved|hurried|came) to the <l>", "<p>(?:去了|走到了|跑到了|来到了|赶到了)<l>"),
    "join": (
        "<p> (?:followed|went with|joined|went to the same place as) <q>", "<p>(?:跟着|和|去找|去了和)<q>(?:一起去了|去了|了|一样的地方)",
    ),
    "want": ("<p> wanted the <x>, but it was too expensive",),
    "live": ("<p>(?: lives in the|'s home is the) <l>", "The home of <p> is the <l>", "<p>(?:住在|的家是|的家在)<l>"),
    "return": ("<p> (?:went|returned|went back) home", "<p>(?:回家了|回到了家|又回家去了)"),
    "have": (
        "<p> (?:picked up|took|grabbed|found|had|bought|owned) the <t>", "<p>(?:捡起了|拿起了|拿走了|找到了|有|买了|带来了)<t>",
    ),
    "drop": (
        "<p> (?:put down|dropped|let go of) the <t>", "<p> left the <t> there",
        "<p>(?:放下了|丢下了|松手放开了)<t>", "<p>把<t>留在了那里",
    ),
    "put": (
        "<p> (?:put|hid|left|placed|took|moved) the <t> (?:in|to) the <l>", "The <t> was (?:put in|moved to) the <l> by <p>",
        "<p> (?:moved|took) the <t> (?:from|out of) the <m> (?:to|and put it in) the <l>",
        "<p>把<t>(?:放在|藏在|留在|收进了|带到了|移到了)<l>里?", "<t>被<p>(?:放在|移到了)<l>里?", "<p>把<t>从<m>移到了<l>",
        "<p>从<m>里拿出<t>，放进了<l>",
    ),
    "give": (
        "<p> (?:gave|passed|sold) the <t> to <q>", "<p> (?:handed|sent) <q> the <t>", "<q> (?:took|got|borrowed) the <t> from <p>",
        "<p>把<t>(?:给了|递给|卖给)<q>", "<p>送给<q><t>", "<q>[从向]<p>(?:那里)?(?:拿走了|得到了|借走了)<t>",
    ),
    "swap": ("<p> swapped with <q>", "<p> and <q> (?:traded|swapped) .*", "<p>[和跟与]<q>(?:交换|换|互换)了.*"),
    "told_of": (
        "The <t> came from <p>", "<p> brought the <t> as a present", "From <p> there was the <t>", "<p> (?:works as|is|became) a <w>",
        "<p>(?: likes| only eats|'s favorite food is| has a pet| keeps a| looks after a) <w>",
        "<p>(?:'s hat is| wears a hat that is| painted a hat) <w>", "So <p> bought the <t> instead",
        "<t>是<p>送的", "<p>(?:带来的礼物是|送了)<t>", "<p>(?:是|当上了|喜欢吃|只吃|养了|的宠物是|的帽子是)<w>", "<p>戴着<w>的帽子",
        "<p>想要<x>，可是太贵了，所以改买了<t>",
    ),
    "either": (
        "<p> could not decide between the <t> and the <x>", "The <x> was broken and the <t> was fine", "<p> saw the <x> and the <t>",
        "<p> liked the <t> and hated the <x>",
        "<p>在<t>和<x>之间犹豫", "<x>坏了，<t>是好的", "<p>看到了<x>和<t>", "<p>喜欢<t>，讨厌<x>",
    ),
    "left_over": (
        "In the end the <x> stayed in the shop", "The <x> was already sold, so <p> chose the other one",
        "<p> took the one that was fine", "A friend gave <p> what <q> liked",
        "最后<x>留在了店里", "<x>已经卖掉了，所以<p>选了另一样", "<p>拿了好的那一样", "朋友送了<p>喜欢的那一样",
    ),
    "task": (
        "(?:On the table were|<p> owned|There lay) the <t>, the <x> and the <y>", "(?:桌上有|<p>有|那里放着)<t>、<x>和<y>",
        "<p> (?:wanted|had|was asked) to (?P<purpose>.*)", "It was time to (?P<purpose>.*), said <p>",
        "<p>(?:想|要|需要)(?P<purpose>.*)", "有人请<p>(?P<purpose>.*)",
    ),
    "more": ("<p> is (?:a lot )?<c> than <q>", "<p>比<q><c>(?:得多)?"),
    "first": (
        "<p> (?:won the race|came first in the race|was the first to arrive|stood at the front of the line)",
        "<p>(?:赢了比赛|跑在第一名|最先到达|排在队伍最前面)",
    ),
    "after": (
        "<p> (?:came right after|was just behind) <q>", "Right before <p> was <q>", "Next after <q> was <p>",
        "<p>紧?[跟就]在<q>(?:后面|之后)", "<q>后面是<p>", "<p>的前面是<q>",
    ),
    "related": (
        "<p>'s <r> is <q>", "The <r> of <p> is <q>", "<q> is the <r> of <p>", "<p>的<r>是<q>", "<q>是<p>的<r>", "<p>有个<r>叫<q>",
    ),
}  # fmt: skip
"""What sentences mean; p, q are people, t, x, y things, l, m places, w, c, r words of a fact, a comparison, a relation."""

LOSSES = re.compile(r"\b(ate|lost|gave away|sold|thief|of them left|went away|ran away)\b|吃掉|丢了|送掉|卖掉|小偷|走了|离开|跑掉")
TURNS = re.compile(
    r"opposite|reverse|wrong|but it was not|mistake|did not like|not \w+ at all|Nobody could|相反|想错|不是真|错误|不喜欢|一点也不|谁也不会"
)


def one_of(words: Iterable[object]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(sorted(map(re.escape, map(str, words)), key=len, reverse=True))


class Reader:
    """Reads stories of one language."""

    def __init__(self, language: Language) -> None:
        self.lexicon: Lexicon = LEXICONS[language]
        self.language = language
        lexicon = self.lexicon
        facts = [*lexicon.trades, *lexicon.colours, *(food.many for food in lexicon.foods), *(animal.one for animal in lexicon.animals)]
        self.person, self.place = one_of(lexicon.people), one_of([*lexicon.places, *lexicon.containers])
        self.noun = one_of(lexicon.things)
        self.thing = rf"(?:(?:{one_of(lexicon.colours)})[ 的])?(?:{self.noun})"
        self.fact = one_of(facts)
        self.relation = one_of(lexicon.relations)
        comparison = one_of(word for ranking in lexicon.rankings for word in ranking[:2])
        groups = {"p": self.person, "q": self.person, "l": self.place, "m": self.place, "w": self.fact, "c": comparison}
        groups |= {"t": self.thing, "x": self.thing, "y": self.thing, "r": self.relation}
        self.events = [
            (name, re.compile(re.sub(r"<(\w)>", lambda found: f"(?P<{found[1]}>{groups[found[1]]})", pattern)))
            for name, patterns in EVENTS.items()
            for pattern in patterns
        ]
        self.opposite = {a: b for pair in lexicon.opposites for a, b in ((pair.first, pair.second), (pair.second, pair.first))}

    def answer(self, prompt: str, kind: str) -> str:
        """The word that must follow."""
        *sentences, stem = [part.strip() for part in re.split(r"(?<=[.。?？])", prompt)]
        idle = {*self.lexicon.openings, *self.lexicon.remarks}
        sentences = [sentence.rstrip(".。?？") for sentence in sentences if sentence not in idle]
        if kind == "counting":
            return self.count(sentences, stem)
        if kind == "opposites":
            return self.turn(sentences, stem)
        return Books(self, sentences).end(stem, kind)

    def found(self, pattern: str, text: str) -> list[str]:
        """All words of a pattern in a text; English ones only as whole words."""
        return re.findall(rf"\b(?:{pattern})\b" if self.language == "en" else pattern, text)

    def numbers(self, text: str) -> list[int]:
        """The numbers in a text, in order."""
        words = {word: n for n, word in enumerate(self.lexicon.numbers)} | ({"二": 2} if self.language == "zh" else {})
        return [words[word.lower()] for word in self.found(f"(?i:{one_of(words)})", text)]

    def count(self, sentences: list[str], stem: str) -> str:
        """Sums gains and losses, counts what lies in a box, or goes on with a series."""
        series = self.numbers(stem)
        boxes = self.found(one_of(self.lexicon.containers), stem)
        if len(series) > 2:
            return self.say(series[-1] + series[1] - series[0], "")
        if boxes:
            (line,) = [sentence for sentence in sentences if boxes[0] in self.found(self.place, sentence)]
            return self.say(len(self.found(self.noun, line.replace(boxes[0], ""))), "样")
        total = sum((-1 if LOSSES.search(sentence) else 1) * n for sentence in sentences for n in self.numbers(sentence))
        measures = {noun.many: noun.measure for noun in (*self.lexicon.foods, *self.lexicon.animals)}
        return self.say(total, measures[self.found(one_of(measures), stem)[-1]])

    def say(self, n: int, measure: str) -> str:
        """A number as a word."""
        word = self.lexicon.numbers[n]
        if self.language == "en":
            return word
        return word + measure if measure else word.replace("两", "二")

    def turn(self, sentences: list[str], stem: str) -> str:
        """The adjective that was told, or its opposite."""
        asked, people = self.found(self.person, stem), self.found(self.person, " ".join(sentences))
        nouns = one_of(noun for pair in self.lexicon.opposites for noun in pair.subjects)
        noun = self.found(nouns, stem)[-1]
        start = 0 if asked else next(index for index, sentence in enumerate(sentences) if noun in self.found(nouns, sentence))
        bare = [re.sub(f"{self.person}|{noun}|正好|it was true|(?<=but it was not )true", "", sentence) for sentence in sentences[start:]]
        told = [self.found(one_of(self.opposite), sentence) for sentence in bare]
        if asked:  # two people, each with one: where both are described, the first one's comes last
            adjectives = sum(told, [])
            turned = asked[0] != people[0] and (len(adjectives) == 3 or bool(TURNS.search(" ".join(bare))))
            return self.opposite[adjectives[-1]] if turned else adjectives[-1]
        passage = slice(0, 1 if all(told[:2]) else 2)
        ((adjective,),) = filter(None, told[passage])
        return self.opposite[adjective] if TURNS.search(" ".join(bare[passage])) else adjective


class Books:
    """Who is where, who has what, and how people relate, after reading some sentences."""

    def __init__(self, reader: Reader, sentences: list[str]) -> None:
        self.reader = reader
        self.at: dict[str, str] = {}
        self.home: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.lying: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.either, self.chooser = ("", ""), ""
        self.purpose = ""
        self.less: list[tuple[str, str, str]] = []
        self.line: list[str] = []
        self.related: dict[tuple[str, str], str] = {}
        subject = ""
        for sentence in sentences:
            plain = re.sub(r"^([Ss]he\b|[Hh]e\b|[她他](?!们))", subject, ADVERBS.sub("", sentence))
            self.read(plain)
            leading = re.match(self.reader.person, plain)
            subject = leading[0] if leading else subject

    def read(self, sentence: str) -> None:
        """Takes note of a sentence; fails on one that means nothing."""
        for name, pattern in self.reader.events:
            found = pattern.fullmatch(sentence)
            if found:
                getattr(self, f"_{name}")(found.groupdict())
                return
        raise AssertionError(f"unread: {sentence}")

    def _go(self, e: dict[str, Any]) -> None:
        self.at[e["p"]] = e["l"]

    def _join(self, e: dict[str, Any]) -> None:
        self.at[e["p"]] = self.at[e["q"]]

    def _live(self, e: dict[str, Any]) -> None:
        self.home[e["p"]] = e["l"]

    def _return(self, e: dict[str, Any]) -> None:
        self.at[e["p"]] = self.home[e["p"]]

    def _have(self, e: dict[str, Any]) -> None:
        self.holder[e["t"]] = e["p"]

    def _drop(self, e: dict[str, Any]) -> None:
        assert self.holder.pop(e["t"]) == e["p"]
        self.lying[e["t"]] = self.at[e["p"]]

    def _put(self, e: dict[str, Any]) -> None:
        assert e.get("m") in (None, self.lying.get(e["t"]))
        self.lying[e["t"]] = e["l"]

    def _give(self, e: dict[str, Any]) -> None:
        assert self.holder[e["t"]] == e["p"]
        self.holder[e["t"]] = e["q"]

    def _swap(self, e: dict[str, Any]) -> None:
        other = {e["p"]: e["q"], e["q"]: e["p"]}
        self.holder = {thing: other.get(who, who) for thing, who in self.holder.items()}

    def _told_of(self, e: dict[str, Any]) -> None:
        self.told[e["p"]] = e.get("w") or e["t"]

    def _either(self, e: dict[str, Any]) -> None:
        self.either, self.chooser = (e["t"], e["x"]), e.get("p", "")

    def _want(self, e: dict[str, Any]) -> None:
        assert e["x"] not in self.told.values()

    def _left_over(self, e: dict[str, Any]) -> None:
        assert e.get("x") in (None, self.either[1])
        self.told[e.get("p") or self.chooser] = self.either[0]

    def _task(self, e: dict[str, Any]) -> None:
        self.purpose = e.get("purpose") or self.purpose

    def _more(self, e: dict[str, Any]) -> None:
        self.less.append((e["q"], e["c"], e["p"]))

    def _first(self, e: dict[str, Any]) -> None:
        self.line = [e["p"]]

    def _after(self, e: dict[str, Any]) -> None:
        assert self.line[-1] == e["q"]
        self.line.append(e["p"])

    def _related(self, e: dict[str, Any]) -> None:
        self.related[e["p"], e["r"]] = e["q"]

    def end(self, stem: str, kind: str) -> str:
        """The last word of a stem."""
        people = self.reader.found(self.reader.person, stem)
        if kind == "places":
            thing = self.reader.found(self.reader.thing, stem)
            if people:
                return self.at[people[0]]
            return self.at[self.holder[thing[0]]] if thing[0] in self.holder else self.lying[thing[0]]
        return self.thing(stem, people) if kind == "objects" else self.name(stem, people)

    def thing(self, stem: str, people: list[str]) -> str:
        """The thing that a stem asks for."""
        if self.purpose:
            (tool,) = {tool for purpose, tool in self.reader.lexicon.uses if purpose == self.purpose}
            return tool
        if self.told:
            return self.told[people[0]]
        if people:
            (thing,) = [thing for thing, who in self.holder.items() if who == people[0]]
        else:
            (place,) = self.reader.found(self.reader.place, stem)
            (thing,) = [thing for thing, where in self.lying.items() if where == place]
        return thing

    def name(self, stem: str, people: list[str]) -> str:
        """The person that a stem asks for."""
        if self.less:
            return self.extreme(stem)
        if self.line:
            return self.line[1 if re.search("[Ss]econd|二", stem) else -1 if re.search("last|最后", stem) else 0]
        if self.related:
            relations = self.reader.found(self.reader.relation, stem)
            if len(relations) == 2 and self.reader.language == "en":
                relations.reverse()
            who = people[0]
            for relation in relations:
                who = self.related[who, relation]
            return who
        if self.told:
            (fact,) = self.reader.found(self.reader.fact, stem) or self.reader.found(self.reader.thing, stem)
            (who,) = [who for who, told in self.told.items() if told == fact]
            return who
        places = self.reader.found(self.reader.place, stem)
        if not places:
            (thing,) = self.reader.found(self.reader.thing, stem)
            return self.holder[thing]
        (who,) = [who for who, where in self.at.items() if where == places[0]]
        return who

    def extreme(self, stem: str) -> str:
        """The one of whom everybody else has less, or more, of what was compared."""
        ranking = next(r for r in self.reader.lexicon.rankings if self.less[0][1] in r[:2] and re.search(f"{r[2]}|{r[3]}", stem))
        pairs = [(low, high) if word == ranking[0] else (high, low) for low, word, high in self.less]
        if ranking[3] in stem:
            pairs = [(high, low) for low, high in pairs]
        (best,) = {high for _, high in pairs} - {low for low, _ in pairs}
        return best
