"""Every sentence of the page that does not depend on results, and the small words for numbers.

Kept together so that tone stays even. Plain text, never markup, and English: `_` translates a constant where it is shown.
"""

from qdash.present.language import N_, _
from qdash.ui.components.states import State

TAGLINE = N_("see what quantization does")
PRIVACY = N_("Pictures and questions stay on this machine.")
PRIVACY_PUBLIC = N_("Pictures and questions are processed on this server. Your History keeps them until you delete them there.")

EMPTY_HEADLINE = N_("One question, several sizes of the same model.")
EMPTY_WHY = N_(
    "Press Compare: every version answers, then all are timed in turn. See which is smaller, which is faster, and what changes in the "
    "answer."
)

NO_DRAWING = N_(
    "This looks like a photo. The bundled model knows simple drawings only: what it says about a photo sounds confident and is wrong."
)

UNREAD = N_("The bundled models read English and Chinese only: they cannot answer this.")

WEIGHTS_HEADLINE = N_("What does quantization do to the numbers themselves?")
WEIGHTS_WHY = N_(
    "“Look inside” reads every weight of the model, rounds it as each chosen scheme does, and shows the difference. "
    "Nothing is generated; it takes seconds for a small model."
)

WEIGHTS_SKETCH = N_("What you will see, from the whole model down to a single weight. A drawing, not a measurement.")

QUALITY_HEADLINE = N_("How many answers are still right?")
QUALITY_WHY = N_(
    "“Evaluate” asks every chosen version the same questions, counts the right answers, and says how certain the differences are."
)
QUALITY_SKETCH = N_("What you will see, for all questions together and one by one. A drawing, not a measurement.")
QUALITY_NO_TASK = N_("Random weights only guess: choose a model that has been trained, or press “Stories” above the schemes.")

HISTORY_EMPTY = N_("No saved runs yet.")
HISTORY_EMPTY_WHY = N_("Every finished comparison and evaluation is saved here automatically. Run one, or import a file.")
HISTORY_WHY = N_("Reopen any without loading the model.")
HISTORY_IN_MEMORY = N_("Runs are kept in memory only, until this server stops.")
HISTORY_SEARCH_HINT = N_("All words must occur in the model, the schemes, the headline or the question.")
HISTORY_CHOOSE = N_("Tick two runs to see what changed between them.")
AGAIN_SET = N_("The saved run set {fields}.")
AGAIN_LEFT = N_("Not available here, and so left out or at its default: {things}.")
AGAIN_COPY = N_("The picture is the copy that the history keeps: compressed, at most 1,024 pixels a side.")
AGAIN_SAME = N_("The form has these settings already.")
SHARED_BADGE = N_("shared with you, read-only")
EARLIER = N_("These results are from before: you have changed the form since. Press Compare to run it again.")
SHARED_WITHOUT_QUESTION = N_("The question is not part of this link.")
SHARED_WITHOUT_QUESTIONS = N_("The questions and what was answered are not part of this link, only which answers were right.")
SHARE_WHY = N_("Anyone with the link sees this run, read-only: answers, figures and conditions. Answers may reveal the question.")
SHARE_LOCAL = N_("You opened this page at a local address, so the link works on this machine only.")

REFERENCE_TEXT = N_("Optional: a longer text on which every version is compared with the original.")

# What a card says in each state: an icon and a word, never colour alone.
STATES: dict[State, tuple[str, str]] = {
    "ready": ("○", N_("Ready")),
    "queued": ("◌", N_("Queued")),
    "locating": ("⌕", N_("Looking for the model")),
    "downloading": ("↓", N_("Downloading")),
    "making": ("⚄", N_("Making random weights")),
    "unpacking": ("⇲", N_("Unpacking")),
    "loading": ("◔", N_("Loading")),
    "answering": ("✎", N_("Answering")),
    "scoring": ("≟", N_("Comparing token by token")),
    "answered": ("◑", N_("Answered, timing next")),
    "measuring": ("◷", N_("Timing")),
    "timed": ("◕", N_("Timed")),
    "untimed": ("◑", N_("Answered, not timed")),
    "done": ("✓", N_("Done")),
    "failed": ("✕", N_("Failed")),
    "skipped": ("–", N_("Not run")),
    "stopped": ("■", N_("Stopped")),
}

WITHIN: dict[State, str] = {
    "ready": N_("ready"),
    "queued": N_("queued"),
    "locating": N_("looking for the model"),
    "downloading": N_("downloading"),
    "making": N_("making random weights"),
    "unpacking": N_("unpacking"),
    "loading": N_("loading"),
    "answering": N_("answering"),
    "scoring": N_("comparing token by token"),
    "answered": N_("answered, timing next"),
    "measuring": N_("timing"),
    "timed": N_("timed"),
    "untimed": N_("answered, not timed"),
    "done": N_("done"),
    "failed": N_("failed"),
    "skipped": N_("not run"),
    "stopped": N_("stopped"),
}
"""The same words within a sentence."""

TIPS = {
    N_("Time"): N_(
        "Time for an answer of fixed length. Only this is compared with the original, and only differences beyond the noise count."
    ),
    N_("First token"): N_("From sending the question to the first piece of the answer, reading the picture included."),
    N_("Per token"): N_("Time for each further piece of the answer. A token is a word or a part of one."),
    N_("Agreement"): N_(
        "How closely this version follows the original's answer: the share of tokens for which both predict the same word, and the "
        "distance between all their predictions (KL divergence in nats: 0 is none, 1 is a different model). The strip shows each token."
    ),
    N_("Close calls"): N_(
        "A token differs where this version finds another one likeliest than the original. It was a close call if the original's two "
        "likeliest tokens were less than 10 percentage points apart (its margin): the strip marks those with dots on top."
    ),
    N_("On your text"): N_("The same, along the reference text from Measurement."),
    N_("Weights"): N_("Memory that the model's weights take. Fewer bits per weight, less memory."),
    N_("Quantized"): N_("Share of the model's weights that this version stores in fewer bits, or rounds; the rest is unchanged."),
    N_("Pruned"): N_("Share of the model's weights that were made zero or cut out; the rest is unchanged."),
    N_("KV cache"): N_(
        "What the model keeps of each token it has read or written, its keys and values. The longer the text, the more memory that takes."
    ),
    N_("SIMULATED"): N_(
        "Weights or the KV cache are rounded to this format, or pruned, but stored whole in 16 or 32 bits: the answer is what this format "
        "gives, speed and memory are not."
    ),
    N_("REAL"): N_("Stored and computed in this format."),
    N_("SQNR"): N_("Signal to noise: how large the weights are compared with the rounding error. Every 6 dB is about one bit."),
    N_("clipped"): N_("Weights beyond the format's largest value, and cut off there."),
    N_("zeroed"): N_("Weights other than 0 that are rounded to 0."),
    N_("max error"): N_("The largest difference between a weight and its rounded value."),
    N_("right"): N_("Share of questions answered correctly, by the task's rule."),
    N_("95% confidence"): N_(
        "Other questions of this kind would give another share. The true one is in this interval with 95% confidence."
    ),
    N_("vs. original"): N_(
        "Share of right answers minus the original's on the same questions, in percentage points, with its 95% interval."
    ),
    N_("lost · won"): N_(
        "Questions that only the original got right, and only this version. By chance, both are about equal. A close call: where the two "
        "answers part, the original's own token was less than 10 percentage points ahead."
    ),
    N_("p"): N_(
        "McNemar's exact test: how likely a split this uneven would be if both were equally good. The verdict corrects it for the number "
        "of versions (Holm)."
    ),
    N_("last word"): N_("The standard rule: greedy decoding must give exactly the target's tokens."),
    N_("busy"): N_("On average during the timed rounds. The busier the machine, the larger a difference must be to count."),
    N_("repeated"): N_("Measured again, because other programs were busy during them."),
    N_("noise"): N_("How much timings of the same model vary here. Only clearly larger differences count."),
}
"""Terms of the page and what explains them."""

HOW_RELATIVE = N_("Original = 1. Differences in time within measurement noise count as the same.")
HOW_HEAT = N_("Signal to noise of each layer, dB. Stronger colour is worse, on one scale for all schemes. Click a cell.")
HOW_DAMAGE = N_(
    "KL divergence of the answers when this layer alone is quantized, nats. Stronger colour is worse, on a log scale. Click a cell."
)
DAMAGE_OFFER = N_(
    "Not known yet: “Measure damage” quantizes one layer at a time, and tells how far the model's answers to questions that come with "
    "qdash move from the original's."
)
HOW_TYPES = N_("The format each layer is stored in, by colour, texture and name. A frame: not the type of the first file.")
HOW_DRIFT = N_("How far the next-token probabilities of the other file's model are from the first one's, token by token.")
DRIFT_OFFER = N_("Not known yet: “Measure drift” loads both models and lets them read the same text.")
HOW_WORST = N_("Lowest signal to noise first.")
HOW_ERROR = N_("New weight minus old. The wider, the worse.")
HOW_ROWS = N_("Signal to noise of each output row, dB. A dip is a row whose scale fits badly.")
HOW_PATCH = N_("Original, quantized, size of the error. Click a weight to see which others share its scale.")
HOW_SQNR = N_("Higher is closer to the original. Dashed line: theoretical limit for normally distributed weights.")

HOW_TRADEOFF = N_("Lower left is better. The line joins the best trade-offs.")
HOW_TRADEOFF_RIGHT = N_("Upper left is better. The line joins the best trade-offs.")
HOW_ACCURACY = N_("Longer is better. Whiskers: 95% confidence.")
HOW_SPEEDUP = N_("Longer is faster. Whiskers: measurement noise.")
HOW_KINDS = N_("Right answers by kind. Few questions per kind: differences may be chance.")
HOW_ITEMS = N_("What was asked, and what each version answered.")


def megabytes(size: float) -> str:
    """`size` bytes as people know it from file managers: “10 MB”, “0.2 GB”."""
    if size >= 0.1e9:
        return f"{size / 1e9:.1f} GB" if size < 10e9 else f"{size / 1e9:.0f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def count(number: int) -> str:
    """A count of parameters, rounded: “4.9 M”, “1.7 billion”."""
    if number >= 1e9:
        return _("{number} billion", number=f"{number / 1e9:.1f}")
    return f"{number / 1e6:.0f} M" if number >= 9.5e6 else f"{number / 1e6:.1f} M"


def seconds(duration_s: float) -> str:
    """A wait, rounded to what people can use: “about 20 s”, “about 3 min”."""
    if duration_s < 90:
        return _("about {number} s", number=max(1, round(duration_s)))
    return _("about {number} min", number=f"{duration_s / 60:.0f}")


def to_go(duration_s: float) -> str:
    """What is left of something that runs: “about 20 s to go”."""
    return _("{duration} to go", duration=seconds(duration_s))
