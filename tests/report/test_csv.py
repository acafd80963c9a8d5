"""The CSV files as a spreadsheet would read them."""

import csv
import io

from qdash.report import to_csv, weights_to_csv
from tests.report.examples import COMPARISON, HOSTILE, WEIGHTS


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_row_a_variant_with_the_same_columns() -> None:
    found = rows(to_csv(COMPARISON))
    assert [row["scheme"] for row in found] == ["original", "bnb-int8", "bnb-nf4", "fp6-e2m3", "bnb-fp4"]
    assert None not in found[4] and None not in found[4].values()


def test_numbers_are_exact_and_carry_their_unit() -> None:
    row = rows(to_csv(COMPARISON))[1]
    latency = COMPARISON.variants[1].latency
    assert latency is not None and float(row["total_s_median"]) == latency.total_s.median
    assert int(row["weights_bytes"]) == 9_400_000
    assert float(row["relative_latency"]) == 1.57
    assert (row["quantized_layers"], row["total_layers"], row["skipped_layers"]) == ("40", "42", "1")


def test_agreement_and_the_grade_have_columns() -> None:
    original, int8, nf4, *_ = rows(to_csv(COMPARISON))
    names = ("kl_mean_nats", "kl_se", "top1", "ppl_original", "ppl", "first_divergence", "tokens")
    assert [nf4[f"agreement_{name}"] for name in names] == ["0.21", "0.05", "0.5", "1.1", "1.4", "1", "2"]
    flips = ("close", "flipped", "flipped_close", "lost", "gained")
    assert [nf4[f"agreement_flips_{name}"] for name in flips] == ["1", "1", "1", "1", "0"]
    tail = ("kl_95_nats", "kl_max_nats", "delta_p_mean", "delta_p_rms", "delta_p_rms_se")
    assert [nf4[f"agreement_{name}"] for name in tail] == ["", "0.41", "-0.05", "0.07", "0.02"]
    assert (original["agreement_flips_flipped"], original["agreement_kl_max_nats"]) == ("", "")
    assert nf4["agreement_text_kl_mean_nats"] == "0.21" and nf4["noise_floor_kl_nats"] == "0.0"
    assert (original["grade"], int8["grade"], nf4["grade"]) == ("", "Different answer", "Different answer")
    assert (original["agreement_tokens"], int8["agreement_problem"]) == ("", "'=It has other <words>.")
    assert nf4["reference_text"] == "'+ a longer text"


def test_what_was_not_measured_is_empty() -> None:
    failed = rows(to_csv(COMPARISON))[4]
    assert (failed["status"], failed["error_kind"], failed["answer"], failed["total_s_median"]) == ("failed", "out_of_memory", "", "")


def test_conditions_repeat_in_every_row() -> None:
    for row in rows(to_csv(COMPARISON)):
        assert (row["threads"], row["runs"], row["noise_floor"]) == ("2", "5", "0.04")
        assert row["prompt"] == "这张图片中有什么？\nשלום <b>"


def test_no_cell_is_a_formula() -> None:
    found = rows(to_csv(COMPARISON))
    assert found[1]["answer"] == '\'=HYPERLINK("http://x")'
    assert found[2]["answer"] == HOSTILE
    assert rows(weights_to_csv(WEIGHTS))[2]["layer"] == "'=a.k_proj"
    for sign in "=+-@\t\r":
        changed = COMPARISON.variants[0].model_copy(update={"answer": f"{sign}1"})
        row = rows(to_csv(COMPARISON.model_copy(update={"variants": (changed,)})))[0]
        assert row["answer"] == f"'{sign}1"


def test_weights_have_a_row_over_all_and_one_a_layer() -> None:
    found = rows(weights_to_csv(WEIGHTS))
    assert [(row["layer"], row["shape"]) for row in found] == [("", ""), ("a.q_proj", "64x32"), ("'=a.k_proj", "64x32")]
    assert [row["sqnr_db"] for row in found] == ["20.5", "21.0", ""]
