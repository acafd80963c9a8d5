"""Every sentence of the page that does not depend on results, and the small words for numbers.

Kept together so that tone stays even, and so that translating the page one day means translating one file. Plain text, never markup.
"""

from qdash.present.formatting import several as several
from qdash.ui.components.states import State

TAGLINE = "see what quantization does"
PRIVACY = "Pictures and questions stay on this machine."
PRIVACY_PUBLIC = "Pictures and questions are processed on this server. Your History keeps them until you delete them there."

EMPTY_HEADLINE = "One question, several sizes of the same model."
EMPTY_WHY = (
    "Press Compare: every version answers, then all are timed in turn. See which is smaller, which is faster, and what changes in the "
    "answer."
)

NO_DRAWING = (
    "This looks like a photo. The bundled model knows simple drawings only: what it says about a photo sounds confident and is wrong."
)

UNREAD = "The bundled models read English and Chinese only: they cannot answer this."

WEIGHTS_HEADLINE = "What does quantization do to the numbers themselves?"
WEIGHTS_WHY = (
    "“Look inside” reads every weight of the model, rounds it as each chosen scheme does, and shows the difference. "
    "Nothing is generated; it takes seconds for a small model."
)

WEIGHTS_SKETCH = "What you will see, from the whole model down to a single weight. A drawing, not a measurement."

QUALITY_HEADLINE = "How many answers are still right?"
QUALITY_WHY = "“Evaluate” asks every chosen version the same questions, counts the right answers, and says how certain the differences are."
QUALITY_SKETCH = "What you will see, for all questions together and one by one. A drawing, not a measurement."
QUALITY_NO_TASK = "Random weights only guess: choose a model that has been trained, or press “Stories” above the schemes."

HISTORY_EMPTY = "No saved runs yet."
HISTORY_EMPTY_WHY = "Every finished comparison and evaluation is saved here automatically. Run one, or import a file."
HISTORY_WHY = "Reopen any without loading the model."
HISTORY_IN_MEMORY = "Runs are kept in memory only, until this server stops."
HISTORY_SEARCH_HINT = "All words must occur in the model, the schemes, the headline or the question."
HISTORY_CHOOSE = "Tick two runs to see what changed between them."
AGAIN_SET = "The saved run set"
AGAIN_LEFT = "Not available here, and so left out or at its default:"
AGAIN_COPY = "The picture is the copy that the history keeps: compressed, at most 1,024 pixels a side."
AGAIN_SAME = "The form has these settings already."
SHARED_BADGE = "shared with you, read-only"
EARLIER = "These results are from before: you have changed the form since. Press Compare to run it again."
SHARED_WITHOUT_QUESTION = "The question is not part of this link."
SHARED_WITHOUT_QUESTIONS = "The questions and what was answered are not part of this link, only which answers were right."
SHARE_WHY = "Anyone with the link sees this run, read-only: answers, figures and conditions. Answers may reveal the question."
SHARE_LOCAL = "You opened this page at a local address, so the link works on this machine only."

REFERENCE_TEXT = "Optional: a longer text on which every version is compared with the original."

# What a card says in each state: an icon and a word, never colour alone.
STATES: dict[State, tuple[str, str]] = {
    "ready": ("○", "Ready"),
    "queued": ("◌", "Queued"),
    "locating": ("⌕", "Looking for the model"),
    "downloading": ("↓", "Downloading"),
    "making": ("⚄", "Making random weights"),
    "loading": ("◔", "Loading"),
    "answering": ("✎", "Answering"),
    "scoring": ("≟", "Comparing token by token"),
    "answered": ("◑", "Answered, timing next"),
    "measuring": ("◷", "Timing"),
    "timed": ("◕", "Timed"),
    "untimed": ("◑", "Answered, not timed"),
    "done": ("✓", "Done"),
    "failed": ("✕", "Failed"),
    "skipped": ("–", "Not run"),
    "stopped": ("■", "Stopped"),
}

TIPS = {
    "Time": "Time for an answer of fixed length. Only this is compared with the original, and only differences beyond the noise count.",
    "First token": "From sending the question to the first piece of the answer, reading the picture included.",
    "Per token": "Time for each further piece of the answer. A token is a word or a part of one.",
    "Agreement": (
        "How closely this version follows the original's answer: the share of tokens for which both predict the same word, and the "
        "distance between all their predictions (KL divergence in nats: 0 is none, 1 is a different model). The strip shows each token."
    ),
    "On your text": "The same, along the reference text from Measurement.",
    "Weights": "Memory that the model's weights take. Fewer bits per weight, less memory.",
    "Quantized": "Share of the model's weights that this version stores in fewer bits, or rounds; the rest is unchanged.",
    "SIMULATED": (
        "Weights are rounded to this format but stored in 16 or 32 bits: the answer is what this format gives, speed and memory are not."
    ),
    "REAL": "Stored and computed in this format.",
    "SQNR": "Signal to noise: how large the weights are compared with the rounding error. Every 6 dB is about one bit.",
    "clipped": "Weights beyond the format's largest value, and cut off there.",
    "zeroed": "Weights other than 0 that are rounded to 0.",
    "max error": "The largest difference between a weight and its rounded value.",
    "right": "Share of questions answered correctly, by the task's rule.",
    "95% confidence": "Other questions of this kind would give another share. The true one is in this interval with 95% confidence.",
    "vs. original": "Share of right answers minus the original's on the same questions, in percentage points, with its 95% interval.",
    "lost · won": "Questions that only the original got right, and only this version. By chance, both are about equal.",
    "p": (
        "McNemar's exact test: how likely a split this uneven would be if both were equally good. The verdict corrects it for the number "
        "of versions (Holm)."
    ),
    "last word": "The standard rule: greedy decoding must give exactly the target's tokens.",
    "busy": "On average during the timed rounds. The busier the machine, the larger a difference must be to count.",
    "repeated": "Measured again, because other programs were busy during them.",
    "noise": "How much timings of the same model vary here. Only clearly larger differences count.",
}

HOW_LATENCY = "Shorter is faster. Light: until the first token."
HOW_MEMORY = "Solid: weights. Light: peak. Tick: estimated in advance."
HOW_RELATIVE = "Original = 1. Differences in time within measurement noise count as the same."
HOW_HEAT = "Signal to noise of each layer, dB. Stronger colour is worse, on one scale for all schemes. Click a cell."
HOW_WORST = "Lowest signal to noise first."
HOW_ERROR = "New weight minus old. The wider, the worse."
HOW_ROWS = "Signal to noise of each output row, dB. A dip is a row whose scale fits badly."
HOW_PATCH = "Original, quantized, size of the error. Click a weight to see which others share its scale."
HOW_SQNR = "Higher is closer to the original. Dashed line: theoretical limit for normally distributed weights."

HOW_TRADEOFF = "Lower left is better. The line joins the best trade-offs."
HOW_TRADEOFF_RIGHT = "Upper left is better. The line joins the best trade-offs."
HOW_ACCURACY = "Longer is better. Whiskers: 95% confidence."
HOW_SPEEDUP = "Longer is faster. Whiskers: measurement noise."
HOW_KINDS = "Right answers by kind. Few questions per kind: differences may be chance."
HOW_ITEMS = "What was asked, and what each version answered."


def megabytes(size: float) -> str:
    """`size` bytes as people know it from file managers: “10 MB”, “0.2 GB”."""
    if size >= 0.1e9:
        return f"{size / 1e9:.1f} GB" if size < 10e9 else f"{size / 1e9:.0f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def count(number: int) -> str:
    """A count of parameters, rounded: “4.9 M”, “1.7 billion”."""
    if number >= 1e9:
        return f"{number / 1e9:.1f} billion"
    return f"{number / 1e6:.0f} M" if number >= 9.5e6 else f"{number / 1e6:.1f} M"


def seconds(duration_s: float) -> str:
    """A wait, rounded to what people can use: “about 20 s”, “about 3 min”."""
    return f"about {max(1, round(duration_s))} s" if duration_s < 90 else f"about {duration_s / 60:.0f} min"


def to_go(duration_s: float) -> str:
    """What is left of something that runs: “about 20 s to go”."""
    return f"{seconds(duration_s)} to go"
