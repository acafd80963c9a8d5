"""What a comparison means in plain words: a grade for each variant and one sentence over all, for the page, the report and the terminal.

`rules` is the table of what may be said; `evidence` turns records into what it is asked about, `judging` asks it about one variant,
`sentences` tells of all, with `details` below. `pace` says what may be said of a speed, `reasons` why it is slow, `changes` what became of
the answer; `token_divergence` is the strip of single tokens. Nothing is stored: a verdict follows from the record.
"""

from qdash.verdict.judging import Judgement, judge
from qdash.verdict.rules import Grade
from qdash.verdict.sentences import Verdict, judges_nothing, verdict

__all__ = ["Grade", "Judgement", "Verdict", "judge", "judges_nothing", "verdict"]
