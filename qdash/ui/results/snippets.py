"""The code behind each variant: what a person would paste to get the same model without qdash."""

from html import escape

from qdash.records import Comparison


def snippets_html(comparison: Comparison) -> str:
    """One copyable block per variant that was built."""
    blocks = [_block(result.label, result.snippet) for result in comparison.variants if result.snippet]
    return f'<div class="snippets">{"".join(blocks)}</div>' if blocks else '<p class="hint">No variant was built.</p>'


def _block(label: str, code: str) -> str:
    name = escape(label)
    copy = f'<button type="button" class="link" data-copy aria-label="Copy the code of {name}">Copy</button>'
    return f'<section class="snippet"><header><b>{name}</b>{copy}</header><pre tabindex="0"><code>{escape(code)}</code></pre></section>'
