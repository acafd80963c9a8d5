"""What is inside a variant, drawn as HTML: the answers in words first, then the figures they come from. Pure functions over records."""

import json
from html import escape

from qdash.present.coverage import covered, left_alone
from qdash.present.formatting import mib
from qdash.present.sizes import sizes
from qdash.records import InspectorReport, PartInside
from qdash.ui.components.markup import sheet_head


def inside_html(report: InspectorReport) -> str:
    """The whole panel."""
    answers = "".join(
        f"<section><h4>{escape(explained.question)}</h4><p>{escape(explained.answer)}</p></section>" for explained in report.explanations
    )
    return (
        f'<div class="inside"><div class="answers">{answers}</div>'
        f'<div class="figures">{_parts(report)}{_left(report)}{_sizes(report)}{_files(report)}{_config(report)}</div></div>'
    )


def _parts(report: InspectorReport) -> str:
    rows = "".join(_part(part) for part in report.parts)
    sums = f"<td>{report.parameters:,}</td><td>{report.counted:,}</td><td>{mib(report.weights_bytes)}</td><td></td>"
    whole = f'<tr><th scope="row">all</th>{sums}</tr>'
    return sheet_head("Part by part", f"Parameters, and how they are held. dtype says {report.dtype}.") + _table(
        ("part", "parameters", "torch counts", "memory", "computes in"), rows + (whole if len(report.parts) > 1 else "")
    )


def _part(part: PartInside) -> str:
    held = " · ".join(f"{escape(dtype)} {mib(size)}" for dtype, size in part.stored.items())
    return (
        f'<tr><th scope="row">{escape(part.part)}</th><td>{part.parameters:,}</td><td>{part.counted:,}</td>'
        f'<td>{mib(part.size_bytes)}<small class="parts">{held}</small></td><td>{escape(" + ".join(part.computes_in))}</td></tr>'
    )


def _left(report: InspectorReport) -> str:
    if report.coverage is None or not report.coverage.skipped:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(left.names)}</th><td>{"" if left.parameters is None else f"{left.parameters:,}"}</td>'
        f"<td>{escape(left.reason)}</td></tr>"
        for left in left_alone(report.coverage)
    )
    head = sheet_head("Not quantized", f"Quantized: {covered(report.coverage)}.")
    return f'{head}<div class="sizes">{_table(("weights", "number", "why"), rows)}</div>'


def _sizes(report: InspectorReport) -> str:
    cells = "".join(f'<tr><th scope="row">{name}</th><td>{size}</td><td>{escape(words)}</td></tr>' for name, size, words in sizes(report))
    head = sheet_head("Sizes", "Figures that are easily confused.")
    return f'{head}<div class="sizes">{_table(("size", "", "what it is"), cells)}</div>'


def _files(report: InspectorReport) -> str:
    if report.saved is None:
        return ""
    rows = "".join(f'<tr><th scope="row">{escape(file.name)}</th><td>{file.size_bytes:,} bytes</td></tr>' for file in report.saved)
    kinds = " · ".join(f"{escape(dtype)} {mib(size)}" for dtype, size in (report.saved_as or {}).items())
    return sheet_head("Files", f"Written with save_pretrained, then deleted. Tensors: {kinds}") + _table(("file", "size"), rows)


def _config(report: InspectorReport) -> str:
    if report.quantization_config is None:
        return ""
    code = escape(json.dumps(report.quantization_config, indent=2, ensure_ascii=False))
    return f'<details class="config"><summary>quantization_config</summary><pre tabindex="0"><code>{code}</code></pre></details>'


def _table(headings: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
