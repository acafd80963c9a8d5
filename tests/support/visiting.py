"""A visitor of a public page without a browser: presses Compare and reads what the server sends. `address` is as a proxy would tell it."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any


def _asked(url: str, address: str, body: bytes | None = None) -> urllib.request.Request:
    return urllib.request.Request(url, body, {"Content-Type": "application/json", "X-Forwarded-For": address})


def press_compare(
    url: str, config: dict[str, Any], tab: str, question: str, address: str, changes: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Press Compare with the form as it comes, but for the question and `changes`, by the fields' labels."""
    components = {one["id"]: one for one in config["components"]}
    button = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "compare" and one["type"] == "button")
    handler = next(one for one in config["dependencies"] if [button, "click"] in [list(target) for target in one["targets"]])
    values = [components[place]["props"].get("value") for place in handler["inputs"]]
    labels = [components[place]["props"].get("label") for place in handler["inputs"]]
    for label, value in {"Question": question, **changes}.items():
        values[labels.index(label)] = value
    body = json.dumps({"data": values, "fn_index": handler["id"], "session_hash": tab, "trigger_id": button, "event_data": None}).encode()
    with urllib.request.urlopen(_asked(f"{url}/gradio_api/queue/join", address, body), timeout=60) as response:
        response.read()


def stream(url: str, tab: str, address: str) -> Iterator[str]:
    """The lines of events that the server sends to a tab."""
    with urllib.request.urlopen(_asked(f"{url}/gradio_api/queue/data?session_hash={tab}", address), timeout=120) as response:
        for line in response:
            if line.startswith(b"data:"):
                yield line.decode()
