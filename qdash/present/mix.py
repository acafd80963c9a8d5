"""What is said of a mix: what it was chosen for, and whether the proof shows that it is closer to the original than one scheme for all."""

from collections.abc import Iterator

from qdash.present.formatting import between, mib, nats, percent
from qdash.present.language import _, decimal, ngettext, recorded
from qdash.records import MeasuredMix, MixProof, MixReport, Proportion


def proven(report: MixReport, name: str) -> MixProof | None:
    """What the proof says of one of its variants; None where there is none."""
    return next((proof for proof in report.proof if proof.name == name), None)


def proof_name(proof: MixProof) -> str:
    """“original”, “mix”, “one scheme”, “by chance”."""
    names = {"original": _("original"), "mix": _("mix"), "uniform": _("one scheme"), "random": _("by chance")}
    return names[proof.name]


def is_graded(report: MixReport) -> bool:
    """Whether the proof counted right answers."""
    return any(proof.accuracy is not None for proof in report.proof)


def proof_cells(proof: MixProof, graded: bool) -> tuple[str, ...]:
    """Name, scheme, and the cells of `measured_cells`."""
    return (proof_name(proof), recorded(proof.label), *measured_cells(proof, graded))


def measured_cells(measured: MeasuredMix, graded: bool) -> tuple[str, ...]:
    """Size, divergence, its interval, share of the same next token; right answers where they are `graded`."""
    size = "" if measured.weights_bytes is None else mib(measured.weights_bytes)
    closeness = "" if measured.kl_mean_nats is None else nats(measured.kl_mean_nats)
    # One item has no interval.
    interval = "" if measured.kl_low is None or measured.kl_high is None else f"{nats(measured.kl_low)}–{nats(measured.kl_high)}"
    same = "" if measured.top1 is None else percent(measured.top1, 1)
    right = () if not graded else ("" if measured.accuracy is None else _right(measured.accuracy),)
    return (size, closeness, interval, same, *right)


def _right(accuracy: Proportion) -> str:
    return f"{percent(accuracy.value, 1)} ({between(accuracy.low, accuracy.high)})"


def mix_verdict(report: MixReport) -> str:
    """One sentence: at what size the mix is closer than one scheme, less close, or no difference was found."""
    mix, one = proven(report, "mix"), proven(report, "uniform")
    if mix is None or one is None:
        return _("Nothing is proved: there was no other question than those that the mix was chosen by.")
    failed = next((proof for proof in (mix, one) if proof.problem is not None), None)
    if failed is not None and failed.problem is not None:
        return _("Nothing is proved: {label}: {problem}", label=recorded(failed.label), problem=recorded(failed.problem.message))
    values = {
        "size": mib(mix.weights_bytes or 0), "label": recorded(one.label), "other": mib(one.weights_bytes or 0),
        "own": nats(mix.kl_mean_nats), "theirs": nats(one.kl_mean_nats),
    }  # fmt: skip
    versus = one.versus_mix
    if versus is None:
        return _("Not judged: one question cannot tell. The mix has a KL divergence of {own} nats, {label} {theirs}.", **values)
    if versus.low_nats <= 0 <= versus.high_nats:
        told = "No difference found: the mix ({size}) has a KL divergence of {own} nats, {label} ({other}) {theirs}, within the noise."
        return _(told, **values)
    if versus.high_nats < 0:
        less = percent(-versus.mean_nats / one.kl_mean_nats) if one.kl_mean_nats else percent(0)
        told = "Better: the mix ({size}) has {less} less KL divergence than {label} ({other}), outside the noise."
        return _(told, **values, less=less)
    return _("Worse: the mix ({size}) has a KL divergence of {own} nats, {label} ({other}) only {theirs}, outside the noise.", **values)


def mix_facts(report: MixReport) -> Iterator[str]:
    """The sentences that a mix cannot be understood without."""
    mix, proof = report.mix, proven(report, "mix")
    yield _(
        "{size} of weights, {bits} bits per weight in the layers that are quantized, {times}× smaller than the original.",
        size=mib(mix.weights_bytes), bits=decimal(mix.bits, 2), times=decimal(mix.original_bytes / mix.weights_bytes, 2),
    )  # fmt: skip
    if proof is not None and proof.kl_mean_nats is not None:
        yield _(
            "Adding up what each layer costs alone predicted {predicted} nats; {measured} were measured on other questions.",
            predicted=nats(report.predicted_kl_nats), measured=nats(proof.kl_mean_nats),
        )  # fmt: skip
    else:
        yield _("Adding up what each layer costs alone predicts {predicted} nats.", predicted=nats(report.predicted_kl_nats))
    drawn = proven(report, "random")
    if drawn is not None and drawn.versus_mix is not None:
        if drawn.versus_mix.high_nats < 0:
            yield _("A mix drawn by chance is farther from the original, outside the noise.")
        else:
            yield _("A mix drawn by chance is not farther from the original, or only within the noise.")
    if report.proof_items:
        yield ngettext(
            "Proved on {number} question of {tokens} tokens, which the search did not see.",
            "Proved on {number} questions of {tokens} tokens in all, which the search did not see.",
            len(report.proof_items),
            tokens=decimal(report.proof_tokens),
        )
    if mix.kind == "simulated":
        yield _("Sizes of simulated schemes are those that their formats would take.")
