"""Every sentence of the page that does not depend on results, and the small words for numbers.

Kept together so that tone stays even, and so that translating the page one day means translating one file. Plain text, never markup.
"""

from qdash.ui.board import State

TAGLINE = "see what quantization does"
PRIVACY = "Pictures and questions stay on this machine."
PRIVACY_PUBLIC = "Pictures and questions are processed on this server. Your History keeps them until you delete them there."

EMPTY_HEADLINE = "One question, several sizes of the same model."
EMPTY_WHY = "Press Compare: each version answers, then is timed and weighed. See which is smaller, which is faster, which words change."

WEIGHTS_HEADLINE = "What does quantization do to the numbers themselves?"
WEIGHTS_WHY = (
    "Look inside reads every weight of the model, rounds it as each chosen scheme does, and shows the difference. "
    "Nothing is generated; it takes seconds for a small model."
)

QUALITY_HEADLINE = "How many answers are still right?"
QUALITY_WHY = (
    "Evaluate gives every chosen version the same questions, each with one right answer, counts them, and says how sure the difference is."
)
QUALITY_NO_TASK = "Random weights only guess: choose a model that has been trained, or press “Stories” above the schemes."

HISTORY_EMPTY = "Nothing is kept yet."
HISTORY_EMPTY_WHY = "Every comparison and evaluation that finishes is kept here by itself. Press Compare, or import a file."
HISTORY_WHY = "Each opens again as it was, without its model."
HISTORY_SEARCH_HINT = "All words must occur in the model, the schemes, the headline or the question."
HISTORY_CHOOSE = "Tick two runs to see what changed between them."
SHARED_BADGE = "shared with you, read-only"
SHARED_WITHOUT_QUESTION = "The question is not part of this link."
SHARED_WITHOUT_QUESTIONS = "The questions and what was answered are not part of this link, only which answers were right."
SHARE_WHY = "Whoever has the link sees this run, read-only: answers, figures and conditions. Answers may tell what was asked."
SHARE_LOCAL = "This server can be reached from this machine only, and so can the link."

REFERENCE_TEXT = "Optional: a longer text along which to compare every version with the original."

# What a card says in each state: an icon and a word, never colour alone.
STATES: dict[State, tuple[str, str]] = {
    "ready": ("○", "Ready"),
    "queued": ("◌", "Queued"),
    "downloading": ("↓", "Downloading"),
    "making": ("⚄", "Making random weights"),
    "loading": ("◔", "Loading"),
    "answering": ("✎", "Answering"),
    "measuring": ("◷", "Measuring"),
    "scoring": ("≟", "Comparing word by word"),
    "done": ("✓", "Done"),
    "failed": ("✕", "Failed"),
    "skipped": ("–", "Not run"),
    "stopped": ("■", "Stopped"),
}

TIPS = {
    "First token": "From pressing enter to the first piece of the answer. The picture is read in this time.",
    "Per token": "Time for each further piece of the answer. A token is a word or a part of one.",
    "Agreement": (
        "How closely it follows the original along the original's answer: share of tokens where both find the same word likeliest, and "
        "the distance between all their expectations (KL divergence, in nats; 0 is none, 1 is another model). The strip shows each token."
    ),
    "On your text": "The same along the reference text from Measurement.",
    "Weights": "Memory that the model's numbers take. Fewer bits per number, less memory.",
    "SIMULATED": (
        "The numbers are exactly those of this format, but carried in 16 or 32 bits: the answer is real, speed and memory are not."
    ),
    "REAL": "Really stored and computed in this format.",
    "SQNR": "Signal to noise: how large the weights are against the error made. Every 6 dB is about one bit.",
    "clipped": "Weights beyond the largest value that the format has for them: they are cut off there.",
    "zeroed": "Weights that were not 0 and are rounded to 0.",
    "max error": "The largest distance between a weight and what became of it.",
    "right": "Share of questions answered correctly, by the task's rule.",
    "95 % sure": "Other questions of the same kind would give another share. It lies in here 95 times of 100 (Wilson interval).",
    "cost": "Right answers lost against the original on the same questions, in points of a hundred, and its 95 % interval.",
    "lost · won": "Questions that only the original has right, and those that only this version has right. Chance makes both alike.",
    "p": (
        "McNemar's exact test: how likely so uneven a split would be if both were equally good. The words beside the cost correct it for "
        "the number of versions (Holm)."
    ),
    "last word": "The standard rule: greedy decoding makes exactly the target's tokens first.",
    "noise": "How far two timings of the very same model lie apart here. Smaller differences are shown as “≈ same”.",
}

HOW_LATENCY = "Shorter is faster. Light: until the first token."
HOW_MEMORY = "Solid: weights. Light: peak. Mark: estimated before."
HOW_RELATIVE = "Divided by the original."
HOW_HEAT = "Signal to noise of each layer, dB. Stronger colour is worse. Pick a cell."
HOW_WORST = "Lowest signal to noise first."
HOW_ERROR = "New weight minus old. A wide shape is damage."
HOW_ROWS = "Signal to noise of each output row, dB. A dip is a row whose scale does not fit."
HOW_PATCH = "Original, quantized, size of the error. Pick a weight to see what it shares."
HOW_SQNR = "Higher is closer to the original. Dashed line: no code of so many bits can do better for bell-shaped weights."

HOW_TRADEOFF = "Lower left is better. Steps join the best trades."
HOW_TRADEOFF_RIGHT = "Upper left is better. Steps join the best trades."
HOW_ACCURACY = "Longer is better. Whiskers: 95 % sure."
HOW_SPEEDUP = "Longer is faster. Whiskers: noise."
HOW_KINDS = "Right answers among the questions of each kind. Few questions, much chance."
HOW_ITEMS = "What was asked, and who answered what."


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


def several(number: int, one: str, many: str) -> str:
    """“1 run”, “5 runs”."""
    return f"{number} {one if number == 1 else many}"
