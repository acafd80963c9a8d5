"""`qdash weights`: what schemes do to the weights of a model, without running it."""

from contextlib import closing

from qdash.catalog.schemes import find_scheme
from qdash.cli.arguments import CsvOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.screen import print_weights, working
from qdash.comparison import weigh
from qdash.execution.process import ProcessExecutor
from qdash.report import weights_to_csv, weights_to_json


def weights(model: ModelOption, schemes: SchemesOption, json: JsonOption = None, csv: CsvOption = None) -> int:
    """Measure the error that schemes make in the weights of a model."""
    outputs = Outputs({"json": json, "csv": csv})
    outputs.check()
    keys = [find_scheme(key).key for key in dict.fromkeys(listed(schemes))]
    with stoppable() as stop, closing(ProcessExecutor()) as executor, working() as show:
        report = show(weigh(model, keys, executor, stop))
    if not outputs.to_stdout:
        print_weights(report)
    outputs.write(report, {"json": weights_to_json, "csv": weights_to_csv})
    return 0
