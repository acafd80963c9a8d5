"""How much an answer differs from the original's, in words."""

from dataclasses import dataclass

from qdash.differences import differing_spans


@dataclass(frozen=True)
class Change:
    """`on_card` is a label (“Same answer”), `in_sentence` a predicate (“changes one word”)."""

    differs: bool
    on_card: str
    in_sentence: str


def change_of(original: str, answer: str) -> Change:
    """Compare two answers; white space at their ends does not count."""
    original, answer = original.strip(), answer.strip()
    if original == answer:
        return Change(False, "Same answer", "gives the same answer")
    if not answer:
        return Change(True, "No answer", "says nothing")
    spans = differing_spans(original, answer)
    changed = [span for span, differs in spans if differs]
    if not changed:
        return Change(True, "Shorter answer", "leaves words out")
    if sum(map(len, changed)) > len(answer) / 2:
        return Change(True, "Different answer", "answers something else")
    if len(changed) == 1:
        unit = "word" if len(changed[0].split()) == 1 and len(changed[0]) <= 20 else "passage"
        return Change(True, f"One {unit} changed", f"changes a {unit}")
    return Change(True, f"{len(changed)} places changed", f"changes {len(changed)} places")
