"""Results are marked as being from before when the form asks something else."""

from dataclasses import replace

import pytest

from qdash.ui.compare.earlier import earlier_html
from qdash.ui.controls.form import checked
from tests.support.scripted import ScriptedBackend, comparison_of, variant_result
from tests.ui.results.test_question import FORM


@pytest.mark.parametrize(
    "change", [{"question": "Why?"}, {"picture": {"sample": "pizza.png"}}, {"schemes": ["original"]}, {"tokens": 20}, {"question": ""}]
)
def test_results_are_from_before_when_the_form_asks_something_else(change: dict[str, object]) -> None:
    request, _ = checked(FORM, "image-text-to-text")
    done = comparison_of(request, variant_result("original", "A."), variant_result("bnb-int8", "A."))
    backend = ScriptedBackend()
    assert earlier_html(done, FORM, backend) == earlier_html(None, replace(FORM, **change), backend) == ""
    assert "from before" in earlier_html(done, replace(FORM, **change), backend)
