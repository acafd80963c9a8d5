"""What a comparison means in plain words: a grade for each variant and one sentence over all, for the page, the report and the terminal.

`rules` is the table; `judging` asks it about one variant; `sentences` tells of all; `changes`, `reasons` and `noise` word what the answers,
the speeds and the doubt in them are; `heat` is the strip of single tokens. Nothing is stored: a verdict follows from the record.
"""

from qdash.verdict.judging import Judgement, judge
from qdash.verdict.rules import Grade
from qdash.verdict.sentences import Verdict, verdict

__all__ = ["Grade", "Judgement", "Verdict", "judge", "verdict"]
