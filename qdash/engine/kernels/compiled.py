"""The C sources here, compiled for this very processor once and kept in the cache; called from as many threads as torch may use.

No compiler, an old one, a cache that cannot be written: then there is none, and `portable` does the work. ctypes lets go of the
interpreter's lock during a call, so that threads really run side by side.
"""

import ctypes
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from qdash.catalog.elements import Element, Float, Integer, largest_exponent, thresholds
from qdash.catalog.formats import FORMATS, Format
from qdash.catalog.scale_rules import Descent
from qdash.engine.kernels.sums import BINS, HALF, MARGIN, PairSums, Rounding
from qdash.private_folder import check_own, private_folder
from qdash.scratch import prefix
from qdash.settings import settings

SOURCES = tuple(Path(__file__).with_name(name) for name in ("pairs.c", "rounding.c", "ggml.c"))
# No -ffast-math: NaN and infinities matter here, and results must equal torch's to the bit.
OPTIONS = ("-O3", "-march=native", "-fopenmp-simd", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", f"-DHALF={HALF}")
WIDE = ("-mprefer-vector-width=512",)  # else compilers use half of what AVX-512 has
X86 = ("x86_64", "AMD64")
HEADER = SOURCES[0].with_name("rounding.h")
COMPILERS = ("cc", "gcc", "clang")
COMPILING_S = 600  # it takes a quarter of a minute, and a busy machine many times as long
CODES = 1 << 16
WORTH_A_THREAD = 1 << 19  # weights
KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}  # in the order of pairs.c
# In the order of rounding.c and ggml.c.
SPANS = ("absmax", "minmax", "minmax with zero", "extreme", "minmax below zero")
SCALES = ("float32", "bfloat16", "e8m0", "float", "float16", "steps")
GGML = SCALES[4:]  # those of ggml.c
TIES = ("even", "up", "away")
IMPORTANCE = ("square", "magnitude", "magnitude+mean")
MOST_WEIGHTS = MOST_BLOCKS = 64  # of rounding.h

Piece = TypeVar("Piece")


def build() -> "Compiled | None":
    """Load the library, compiled before or now; None if that cannot be done here."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None or os.name != "posix":
        return None
    try:
        return Compiled(_library(compiler))
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        logging.getLogger("qdash").info("weights are counted without compiled code: %s", error)
        return None


def _library(compiler: str) -> ctypes.CDLL:
    options = OPTIONS + (WIDE if platform.machine() in X86 else ())
    known = (*(source.read_text() for source in (*SOURCES, HEADER)), compiler, *options, platform.machine(), _processor())
    folder = private_folder(settings().cache_dir / "kernels")
    library = folder / f"kernels-{sha256(chr(0).join(known).encode()).hexdigest()[:16]}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder, prefix=prefix("kernels")) as scratch:
            made = Path(scratch) / library.name
            command = [compiler, *options, "-shared", "-fPIC", *map(str, SOURCES), "-o", str(made), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=COMPILING_S)
            made.replace(library)
    check_own(library)
    return ctypes.CDLL(str(library))


def _processor() -> str:
    """What `-march=native` stands for: a cache may be shared between machines."""
    return f"{platform.processor()} {sorted(torch.cpu.get_capabilities().items())}"


class _Element(ctypes.Structure):
    """`Element` of rounding.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "mantissa_bits", "bias", "largest_exponent")),
        *((name, ctypes.c_float) for name in ("lowest", "largest")),
        ("count", ctypes.c_int32),
        *((name, ctypes.POINTER(ctypes.c_float)) for name in ("values", "thresholds")),
    )


class _Search(ctypes.Structure):
    """`Search` of rounding.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "importance", "absolute", "sweeps", "count")),
        ("steps", ctypes.POINTER(ctypes.c_float)),
    )


class _Format(ctypes.Structure):
    """`Format` of rounding.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("spans", "scale", "per_tensor", "tensor_scale", "size", "superblock", "ties")),
        *((name, _Element) for name in ("element", "scale_element")),
        ("search", _Search),
        ("tensor", ctypes.c_float * 2),
    )


class _Pairs(ctypes.Structure):
    """`Pairs` of pairs.c."""

    _fields_ = (
        ("weights", ctypes.c_void_p),
        ("restored", ctypes.c_void_p),
        ("format", ctypes.POINTER(_Format)),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("kind", ctypes.c_int32),
    )


def knows(key: str) -> bool:
    """Whether there is compiled arithmetic for the format `key`: not if its kind of scale is new, or its rule combines what no row does."""
    row = FORMATS[key]
    rule = row.rule
    if rule.scale.kind not in GGML:
        return rule.scale.kind in SCALES and rule.spans in SPANS[:3] and rule.ties == "even" and rule.search is None
    small = row.size is not None and row.size <= MOST_WEIGHTS and (rule.superblock or 0) // row.size <= MOST_BLOCKS
    return small and not isinstance(row.element, Float)


def _format(rounding: Rounding) -> _Format:
    number_format, whole = FORMATS[rounding.key], [float(value) for value in rounding.whole]
    rule = number_format.rule
    if whole and not rule.affine:  # the scale of scales stands first, max|W| last
        whole = [whole[0], whole[-1]]
    layout = (
        SPANS.index(rule.spans), SCALES.index(rule.scale.kind), rule.shares == "tensor", rule.tensor_scale, number_format.size or 0,
        rule.superblock or 0, TIES.index(rule.ties),
    )  # fmt: skip
    scale = _Element() if rule.scale.element is None else _element(rule.scale.element)
    return _Format(*map(int, layout), _element(number_format.element), scale, _search(number_format), (ctypes.c_float * 2)(*whole))


@cache
def _search(number_format: Format) -> _Search:
    search = number_format.rule.search
    if search is None:
        return _Search()
    importance, end = IMPORTANCE.index(search.importance), number_format.end
    if isinstance(search, Descent):
        return _Search(2, importance, 0, search.sweeps, 0, None)
    steps = _floats(tuple(end + offset if end > 0 else end - offset for offset in search.offsets))
    return _Search(1, importance, int(search.absolute), 0, len(steps), steps)


@cache
def _element(element: Element) -> _Element:
    """Its kind, in the order of rounding.c, and its numbers; ctypes keeps the arrays as long as the structure."""
    kind = 0 if isinstance(element, Float) else 1 if isinstance(element, Integer) else 2
    layout = (element.mantissa_bits, element.bias) if isinstance(element, Float) else (0, 0)
    tables = (_floats(element.values), _floats(thresholds(element))) if kind == 2 else (None, None)
    ends = element.values[0], element.values[-1]
    return _Element(kind, *layout, largest_exponent(element), *ends, len(element.values), *tables)


def _floats(values: tuple[float, ...]) -> ctypes.Array[ctypes.c_float]:
    return (ctypes.c_float * len(values))(*values)


class Compiled:
    """`Kernels` on the CPU."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._pairs, self._codes, self._round = library.pair_sums, library.code_counts, library.round_rows
        pointer, whole, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
        self._pairs.argtypes = (ctypes.POINTER(_Pairs), whole, real, real, real, *[pointer] * 5)
        self._codes.argtypes = (pointer, whole, pointer)
        self._round.argtypes = (pointer, pointer, whole, whole, ctypes.POINTER(_Format))

    def pairs(self, weight: Tensor, restored: Tensor | Rounding, group: int, per_restored: float, per_error: float) -> PairSums:
        """See `Kernels`."""
        pairs, rows = _pairs(weight, restored), np.zeros((len(weight), 4))

        def part(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            largest, tally, counts = np.zeros(3), np.zeros(3, np.int64), np.zeros((2, BINS + 1), np.int64)
            made = rows[start:stop], largest, tally, counts[0], counts[1]
            _check(self._pairs(pairs(start, stop), group, MARGIN, per_restored, per_error, *map(_address, made)))
            return largest, tally, counts

        largest, tally, counts = zip(*_split(part, *weight.shape), strict=True)
        of_restored, of_error = np.sum(counts, axis=0)
        return PairSums(rows, np.max(largest, axis=0), np.sum(tally, axis=0), of_restored[:BINS], of_error[:BINS])

    def code_counts(self, codes: Tensor) -> np.ndarray:
        """See `Kernels`."""
        rows = codes.contiguous()
        columns = rows.shape[1]

        def part(start: int, stop: int) -> np.ndarray:
            counts = np.zeros(CODES, np.int64)
            _check(self._codes(_at(rows, start * columns), (stop - start) * columns, _address(counts)))
            return counts

        return np.sum(_split(part, *rows.shape), axis=0)

    def round_rows(self, rows: Tensor, rounding: Rounding) -> Tensor:
        """`formats.round_trip` of rows (rows, columns), in their dtype."""
        values, layout = rows.to(torch.float32).contiguous(), _format(rounding)
        columns, out = values.shape[1], torch.empty_like(values)

        def part(start: int, stop: int) -> None:
            self._round(_at(values, start * columns), _at(out, start * columns), stop - start, columns, layout)

        _split(part, *values.shape)
        return out.to(rows.dtype)


def _pairs(weight: Tensor, restored: Tensor | Rounding) -> Callable[[int, int], _Pairs]:
    """Makes the arguments for a range of rows; holds what they point to."""
    w, columns, kind = weight.contiguous(), weight.shape[1], KINDS[weight.dtype]
    layout = _format(restored) if isinstance(restored, Rounding) else None
    r = None if isinstance(restored, Rounding) else restored.to(torch.float32).contiguous()

    def of_rows(start: int, stop: int) -> _Pairs:
        target = None if r is None else _at(r, start * columns)
        return _Pairs(_at(w, start * columns), target, None if layout is None else ctypes.pointer(layout), stop - start, columns, kind)

    return of_rows


def _check(failed: int) -> None:
    if failed:
        raise MemoryError


def _address(array: np.ndarray) -> int:
    return array.ctypes.data


def _at(tensor: Tensor, index: int) -> int:
    return tensor.data_ptr() + index * tensor.element_size()


def _split(work: Callable[[int, int], Piece], rows: int, columns: int) -> list[Piece]:
    """`work(start, stop)` on ranges of rows, one for each thread."""
    threads = max(1, min(torch.get_num_threads(), rows * columns // WORTH_A_THREAD, rows))
    if threads == 1:
        return [work(0, rows)]
    ends = [rows * index // threads for index in range(threads + 1)]
    return list(_pool(threads).map(work, ends[:-1], ends[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "weights")
