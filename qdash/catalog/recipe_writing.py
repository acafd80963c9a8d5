"""Write a recipe that gives every layer of a model exactly the scheme it is meant to have, in few rules.

The first rule, `*=scheme`, is for most layers. Rules for one kind of layer in all blocks may follow, such as `*.down_proj`, where they save
others. The rest are exceptions by place: for a block, something in it, or one layer. Of these there are as few as can be: the paths form a
tree, and each of its nodes either gets a rule or keeps what it inherits, as when a routing table is compressed (Draves et al. 1999).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from qdash.catalog.recipes import EVERYTHING

ORIGINAL = "original"
_BASES = 3
"""So many of the commonest schemes are tried in the rule for all layers."""

Wanted = Mapping[str, str]
Words = tuple[str, ...]
"""Of a path, between its dots."""


def recipe_of(assignment: Mapping[str, str | None]) -> str:
    """The recipe under which `assigned` gives each layer its scheme of `assignment`; “original” if all are left as they are.

    `assignment`: path of a layer → key of its scheme, None to leave it as it is. Nothing is said of other layers. Paths have no comma and
    no equals sign.
    """
    wanted = {path: key or ORIGINAL for path, key in assignment.items()}
    if set(wanted.values()) <= {ORIGINAL}:
        return ORIGINAL
    found = _Found.among(wanted)
    bases = [key for key, _ in Counter(wanted.values()).most_common(_BASES)]
    texts = [
        ",".join(map("=".join, _rules(wanted, found, base, kinds))) for base in bases for kinds in ({}, _kinds(wanted, found, base))
    ]  # fmt: skip
    return min(texts, key=lambda text: (text.count(","), len(text)))


@dataclass(frozen=True)
class _Found:
    """How many layers a piece of a path is found in: at the end (“.mlp.down_proj”) and inside (“.layers.3.”), never at the beginning."""

    ending: Counter[str]
    inside: Counter[str]

    @classmethod
    def among(cls, paths: Iterable[str]) -> "_Found":
        ending, inside = Counter[str](), Counter[str]()
        for path in paths:
            words = path.split(".")
            ending.update({"." + ".".join(words[first:]) for first in range(1, len(words))})
            inside.update({
                "." + ".".join(words[first:last]) + "." for first in range(1, len(words)) for last in range(first + 1, len(words))
            })  # fmt: skip
        return cls(ending, inside)


def _rules(wanted: Wanted, found: _Found, base: str, kinds: Wanted) -> list[tuple[str, str]]:
    """A rule for all layers, those for `kinds`, and the exceptions from them."""
    given = {path: next((key for ending, key in kinds.items() if path.endswith(ending)), base) for path in wanted}
    tree = _tree([tuple(path.split(".")) for path in sorted(wanted, key=lambda path: path.split("."))], 0)
    compression = _Compression(wanted, given)
    # What has a rule for all layers needs no second one.
    exceptions = [rule for node in (tree.below if not tree.words else (tree,)) for rule in compression.rules(node, None)]
    return [
        *([] if base == ORIGINAL else [(EVERYTHING, base)]),
        *((f"*{_escaped(ending)}", key) for ending, key in kinds.items()),
        *((_pattern(node, found), key) for node, key in exceptions),
    ]


def _kinds(wanted: Wanted, found: _Found, base: str) -> dict[str, str]:
    """How layers end that are called the same in every block and mostly get another scheme than `base`, and the key of that."""
    kinds: defaultdict[Words, list[str]] = defaultdict(list)
    for path in wanted:
        kinds[_after_number(path)].append(path)
    chosen: dict[str, str] = {}
    for words, paths in kinds.items():
        ((usual, _),) = Counter(wanted[path] for path in paths).most_common(1)
        endings = ("." + ".".join(words[first:]) for first in range(len(words) - 1, -1, -1))
        own = next((ending for ending in endings if found.ending[ending] == len(paths)), None)
        if own is not None and usual != base and len(paths) > 1:
            chosen[own] = usual
    return chosen


def _after_number(path: str) -> Words:
    words = path.split(".")
    last = max((place for place, word in enumerate(words) if word.isdigit()), default=-1)
    return tuple(words[last + 1 :])


@dataclass(frozen=True)
class _Node:
    """A layer, or all layers below the words of a path."""

    words: Words
    paths: tuple[str, ...]
    below: tuple["_Node", ...] = ()


def _tree(paths: Sequence[Words], depth: int) -> _Node:
    """The tree of sorted `paths`, which share their first `depth` words; nodes with one branch are left out."""
    if len(paths) == 1:
        return _Node(paths[0], (".".join(paths[0]),))
    # A layer may hold others, which `path.*` matches and it does not.
    while all(len(words) > depth + 1 and words[depth] == paths[0][depth] for words in paths):
        depth += 1
    groups = [list(group) for _, group in groupby(paths, key=lambda words: (words[depth], len(words) == depth + 1))]
    return _Node(paths[0][:depth], tuple(map(".".join, paths)), tuple(_tree(group, depth) for group in groups))


@dataclass
class _Compression:
    """Fewest rules below each node, by what it inherits: the key of a rule above it, or None for what each layer is `given`."""

    wanted: Wanted
    given: Wanted
    known: dict[tuple[Words, bool, str | None], tuple[int, str | None]] = field(default_factory=dict)

    def rules(self, node: _Node, inherited: str | None) -> Iterator[tuple[_Node, str]]:
        """The rules of `node` and below it, from the top down."""
        _, own = self._best(node, inherited)
        if own is not None:
            yield node, own
        for inner in node.below:
            yield from self.rules(inner, own or inherited)

    def _best(self, node: _Node, inherited: str | None) -> tuple[int, str | None]:
        """How many rules it takes, and the key of the node's own; None for none."""
        place = (node.words, bool(node.below), inherited)
        if place not in self.known:
            self.known[place] = self._found(node, inherited)
        return self.known[place]

    def _found(self, node: _Node, inherited: str | None) -> tuple[int, str | None]:
        if not node.below:
            path = node.paths[0]
            fits = (inherited or self.given[path]) == self.wanted[path]
            return (0, None) if fits else (1, self.wanted[path])
        without = sum(self._best(inner, inherited)[0] for inner in node.below)
        keys = dict.fromkeys(self.wanted[path] for path in node.paths)
        best = min(((1 + sum(self._best(inner, key)[0] for inner in node.below), key) for key in keys), key=lambda choice: choice[0])
        return best if best[0] < without else (without, None)


def _pattern(node: _Node, found: _Found) -> str:
    """The shortest glob that matches the layers of `node` and no other."""
    counts, end = (found.inside, ".") if node.below else (found.ending, "")
    for first in range(len(node.words) - 1, 0, -1):
        piece = "." + ".".join(node.words[first:]) + end
        if counts[piece] == len(node.paths):
            return f"*{_escaped(piece)}{'*' if node.below else ''}"
    whole = _escaped(".".join(node.words))
    if node.below:
        return f"{whole}.*"
    # What has no dot and no sign of a glob would be read as the name of a part.
    return whole if any(sign in whole for sign in ".[") else f"[{whole[0]}]{whole[1:]}"


def _escaped(text: str) -> str:
    """Text that a glob matches literally."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in text)
