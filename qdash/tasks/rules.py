"""When an answer is right. Pure functions of two texts; each rule is one sentence that a person can check by hand.

`exact` is for models that were taught the wording, `first_word` for stories to be ended, `words` for everything that talks around
its answer: the second tutorial's rule, by which it is enough that the target is among the words.
"""

import re
from collections.abc import Callable

from qdash.records import Rule

_MARK = re.compile(r"[.,!?。，！？\n]")
# Scripts that put no spaces between words (Thai to Burmese, kana, Chinese characters) are read character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’-][^\W{_UNSPACED}]+)*")


def exact(answer: str, target: str) -> bool:
    """The answer is the target, spaces around it aside."""
    return answer.strip() == target.strip()


def first_word(answer: str, target: str) -> bool:
    """What stands before the first full stop or other mark is the target: “ kitchen. The” → “kitchen”."""
    return _MARK.split(answer, maxsplit=1)[0].strip() == target.strip()


def words(answer: str, target: str) -> bool:
    """The target's words stand side by side among the answer's; capitals and marks around words count for nothing."""
    wanted, given = words_of(target), words_of(answer)
    if not wanted:  # a target of marks only, such as “?”
        return target.strip() in answer
    return any(given[start : start + len(wanted)] == wanted for start in range(len(given) - len(wanted) + 1))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; apostrophes and hyphens inside a word belong to it."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


GRADERS: dict[Rule, Callable[[str, str], bool]] = {"exact": exact, "first_word": first_word, "words": words}
"""Key → whether an answer (first) is right, given the target (second)."""
