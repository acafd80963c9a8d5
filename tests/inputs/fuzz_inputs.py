"""Damaged pictures and files of questions by the thousand: each is read or refused with a `QdashError`, in time and in little memory.

    python -m tests.inputs.fuzz_inputs 10000 --seed 0

Valid files of every kind are the seeds; an input is a seed after one, two or four mutations (bits, cuts, splices, runs, edited lengths and
chunks) or random bytes. Inputs are read in a child process, under a limit on its address space, that says which one it begins: if that
takes longer than the time limit, the child is ended and the input is reported. Inputs that fail are written to --keep.
"""

import argparse
import io
import json
import os
import random
import resource
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from qdash.errors import QdashError
from qdash.inputs import PICTURE_FORMATS, read_picture, text_of
from qdash.tasks import read_custom
from tests.support.peak import peak_bytes

LIMIT_S = 10.0
MEMORY_BYTES = 1_500 * 2**20
NAMES = ("own.csv", "own.jsonl", "own.tsv", "own")


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


_MODES = (("CMYK", "JPEG"), ("P", "PNG"), ("1", "TIFF"), ("LA", "PNG"), ("RGBA", "PNG"))


@cache
def pictures() -> tuple[bytes, ...]:
    """Small pictures of every format, many with metadata or of unusual numbers."""
    drawing = Image.new("RGB", (61, 47), "white")
    ImageDraw.Draw(drawing).ellipse((10, 5, 50, 40), fill="red", outline="blue")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    text = PngImagePlugin.PngInfo()
    text.add_itxt("workflow", "{" + "x" * 5000 + "}", zip=True)
    ramp = np.linspace(0, 1, 61 * 47).reshape(47, 61)
    frames = {"save_all": True, "append_images": [drawing.rotate(90)]}
    found = [_encoded(drawing, kind) for kind in PICTURE_FORMATS]
    found += [_encoded(drawing, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    found += [_encoded(drawing, kind, **frames) for kind in ("PNG", "GIF", "WEBP", "TIFF")]
    found += [_encoded(drawing.convert(mode), kind) for mode, kind in _MODES]
    found += [_encoded(drawing, "JPEG", progressive=True), _encoded(drawing, "PNG", pnginfo=text), _encoded(drawing, "WEBP", lossless=True)]
    found += [_encoded(drawing, "TIFF", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]
    found += [_encoded(Image.fromarray((ramp * 4095).astype(np.uint16)), kind) for kind in ("PNG", "TIFF")]
    found += [_encoded(Image.fromarray(ramp.astype(np.float32)), "TIFF"), _encoded(drawing, "TIFF", big_tiff=True)]
    return tuple(found)


@cache
def questions() -> tuple[bytes, ...]:
    """Files of questions in every form that is read."""
    rows: list[Any] = [{"prompt": f"What is {n} + {n}?", "answer": 2 * n, "kind": "sums"} for n in range(4)]
    rows += [{"prompt": "首都?", "answer": ["北京", "Beijing"]}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    table = 'prompt@answer@kind\nWhat is 2+2?@4@sums\n"Two\nlines, ""quoted"""@"[""4"", ""four""]"@\n\n'
    tables = [table.replace("@", sign) for sign in (",", ";", "\t", "|")]
    texts = [lines, json.dumps(rows, indent=2), *tables, f"sep=;\n{tables[1]}", tables[0].replace("\n", "\r\n")]
    return tuple(text.encode(coding) for text in texts for coding in ("utf-8", "utf-8-sig", "utf-16"))


def mutated(random_: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """One input."""
    if random_.random() < 0.03:
        return random_.randbytes(random_.randrange(600))
    data = bytearray(random_.choice(seeds))
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        random_.choice(_MUTATIONS)(random_, data, seeds)
    return bytes(data)


def _flip(random_: random.Random, data: bytearray, seeds: tuple[bytes, ...]) -> None:
    for _ in range(random_.choice((1, 1, 4, 32))):
        if data:
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)


def _cut(random_: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    del data[random_.randrange(len(data) + 1) :]


def _drop(random_: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    start = random_.randrange(len(data) + 1)
    del data[start : start + random_.choice((1, 4, 40, 400))]


def _splice(random_: random.Random, data: bytearray, seeds: tuple[bytes, ...]) -> None:
    other = random_.choice(seeds)
    start, place = random_.randrange(len(other)), random_.randrange(len(data) + 1)
    data[place:place] = other[start : start + random_.choice((4, 40, 400, 4000))]


def _run(random_: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    place = random_.randrange(len(data) + 1)
    byte = random_.choice((b"\0", b"\xff", b'"', b",", b"[", b"{", b"\n", b"9", b"\xe5"))
    data[place:place] = byte * random_.choice((1, 1, 3, 3, 100, 20_000, 300_000))


def _number(random_: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    """A length, size or offset becomes an extreme one; mostly in the header, where they stand."""
    form = random_.choice((">I", "<I", ">H", "<H"))
    size = struct.calcsize(form)
    reach = min(len(data), random_.choice((64, 400, len(data) or 1))) - size
    if reach > 0:
        value = random_.choice((0, 1, 2, 255, 4096, 60_000, 2**31 - 1, 2**32 - 1)) & (256**size - 1)
        struct.pack_into(form, data, random_.randrange(reach), value)


def _chunk(random_: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    """A PNG's chunk is doubled, moved or taken out, with its checksum right."""
    places, place = [], 8
    while data.startswith(b"\x89PNG") and place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        places.append((place, end))
        place = end
    if places:
        start, end = random_.choice(places)
        chunk = bytes(data[start:end])
        if random_.random() < 0.6:
            del data[start:end]
        if random_.random() < 0.6:
            place = random_.choice(places)[0]
            data[place:place] = chunk


_Mutation = Callable[[random.Random, bytearray, tuple[bytes, ...]], None]
_MUTATIONS: tuple[_Mutation, ...] = (_flip, _flip, _cut, _drop, _splice, _run, _number, _number, _chunk)


def inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` inputs, each "picture" or the name of a file of questions, and its bytes; the same for the same seed."""
    random_ = random.Random(seed)
    for number in range(count):
        yield ("picture", mutated(random_, pictures())) if number % 2 else (random_.choice(NAMES), mutated(random_, questions()))


def tried(kind: str, data: bytes) -> str:
    """“read” or “refused”. Every other end is an exception."""
    try:
        if kind == "picture":
            record, png = read_picture(data)
            with Image.open(io.BytesIO(png)) as image:
                assert (image.mode, image.size) == ("RGB", (record.width, record.height))
        else:
            items = read_custom(data, kind)
            assert all(item.question.prompt.strip() and all(item.question.answers) for item in items)
            "".join(item.question.model_dump_json() for item in items)
            text_of(data, kind)
    except QdashError as error:
        assert error.message and error.remedy
        f"{error}".encode()
        return "refused"
    return "read"


def _child(pipe: Connection, memory_bytes: int) -> None:
    """Reads what comes through the pipe, and answers with the outcome or a traceback, and the most memory so far in bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    while True:
        kind, data = pipe.recv()
        try:
            outcome = tried(kind, data)
        except BaseException:
            outcome = traceback.format_exc()
        pipe.send((outcome, peak_bytes()))


class Reader:
    """A child process that reads inputs, started again when one of them ends it."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        self._process = get_context("spawn").Process(target=_child, args=(theirs, MEMORY_BYTES), daemon=True)
        self._process.start()
        theirs.close()

    def read(self, kind: str, data: bytes, limit_s: float = LIMIT_S) -> str:
        """“read”, “refused”, or what went wrong: a traceback, “too slow” or “died”."""
        self._pipe.send((kind, data))
        outcome = "too slow"
        try:
            if self._pipe.poll(limit_s):
                outcome, peak = self._pipe.recv()
                self.peak_bytes = max(self.peak_bytes, peak)
                return outcome
        except EOFError:
            outcome = "died"
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        """End the child."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Feed damaged pictures and files of questions to their readers.")
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, help="Folder for the inputs that failed.")
    chosen = parser.parse_args()
    reader, outcomes, slowest, failures = Reader(), Counter[tuple[str, str]](), 0.0, 0
    reader.read(*next(inputs(1, chosen.seed)), limit_s=120.0)  # the child imports what it needs
    for number, (kind, data) in enumerate(inputs(chosen.count, chosen.seed)):
        start = time.perf_counter()
        outcome = reader.read(kind, data)
        slowest = max(slowest, time.perf_counter() - start)
        outcomes["picture" if kind == "picture" else "questions", outcome if outcome in ("read", "refused") else "FAILED"] += 1
        if outcome not in ("read", "refused"):
            failures += 1
            print(f"input {number} ({kind}, {len(data):,} bytes): {outcome}", file=sys.stderr)
            if chosen.keep:
                chosen.keep.mkdir(parents=True, exist_ok=True)
                (chosen.keep / f"{number}-{kind}").write_bytes(data)
    reader.close()
    result = {f"{kind} {outcome}": count for (kind, outcome), count in sorted(outcomes.items())}
    result |= {"slowest_ms": round(slowest * 1000), "peak_MiB": reader.peak_bytes // 2**20}
    print(json.dumps({"inputs": chosen.count, "seed": chosen.seed, **result}))
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
