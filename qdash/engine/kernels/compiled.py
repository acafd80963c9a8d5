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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from qdash.catalog.formats import Float, Format
from qdash.engine.kernels.sums import BINS, HALF, MARGIN, PairSums
from qdash.settings import settings

SOURCES = tuple(Path(__file__).with_name(name) for name in ("pairs.c", "rounding.c"))
# No -ffast-math: NaN and infinities matter here, and results must equal torch's to the bit.
OPTIONS = ("-O3", "-march=native", "-fopenmp-simd", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", f"-DHALF={HALF}")
WIDE = ("-mprefer-vector-width=512",)  # else compilers use half of what AVX-512 has
X86 = ("x86_64", "AMD64")
COMPILERS = ("cc", "gcc", "clang")
COMPILING_S = 60
CODES = 1 << 16
WORTH_A_THREAD = 1 << 19  # weights
RULES = ("row", "mx", "nvfp4", "group", "tensor")  # in the order of rounding.c

Part = TypeVar("Part")


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
    known = (*(source.read_text() for source in SOURCES), compiler, *options, platform.machine(), _processor())
    folder = settings().cache_dir / "kernels"
    library = folder / f"kernels-{sha256(chr(0).join(known).encode()).hexdigest()[:16]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / library.name
            command = [compiler, *options, "-shared", "-fPIC", *map(str, SOURCES), "-o", str(made), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=COMPILING_S)
            made.replace(library)
    return ctypes.CDLL(str(library))


def _processor() -> str:
    """What `-march=native` stands for: a cache may be shared between machines."""
    return f"{platform.processor()} {sorted(torch.cpu.get_capabilities().items())}"


class _Format(ctypes.Structure):
    """`Format` of rounding.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("rule", "size", "integer", "mantissa_bits", "bias", "largest_exponent")),
        *((name, ctypes.c_float) for name in ("lowest", "largest")),
        ("tensor", ctypes.c_float * 2),
    )


def _format(number_format: Format, whole: Sequence[float]) -> _Format:
    element = number_format.element
    floats = (0, element.mantissa_bits, element.bias, element.largest_exponent) if isinstance(element, Float) else (1, 0, 0, 0)
    ends = element.values[0], element.values[-1]
    return _Format(RULES.index(number_format.rule), number_format.size or 0, *floats, *ends, (ctypes.c_float * 2)(*whole))


class Compiled:
    """`Kernels` on the CPU; weights of 16 bits are widened to float32 first, which changes none."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._sums, self._counts, self._codes = library.pair_sums, library.pair_counts, library.code_counts
        pointer, whole, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
        self._round = library.round_rows
        self._round.argtypes = (pointer, pointer, whole, whole, ctypes.POINTER(_Format))
        self._round.restype = None
        self._sums.argtypes = (pointer, pointer, whole, whole, whole, real, pointer, pointer, pointer)
        self._counts.argtypes = (pointer, pointer, whole, real, real, pointer, pointer)
        self._codes.argtypes = (pointer, whole, pointer)
        self._sums.restype = self._counts.restype = None

    def pair_sums(self, weight: Tensor, restored: Tensor, group: int) -> PairSums:
        """See `Kernels`."""
        w, r = _floats(weight), _floats(restored)
        rows, columns = w.shape
        made = np.zeros((rows, 4))

        def part(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
            largest, tally = np.zeros(3), np.zeros(3, np.int64)
            arguments = stop - start, columns, group, MARGIN, made[start:stop].ctypes.data, largest.ctypes.data, tally.ctypes.data
            self._sums(_at(w, start * columns), _at(r, start * columns), *arguments)
            return largest, tally

        largest, tally = zip(*_split(part, rows, columns), strict=True)
        return PairSums(made, np.max(largest, axis=0), np.sum(tally, axis=0))

    def pair_counts(self, weight: Tensor, restored: Tensor, per_restored: float, per_error: float) -> tuple[np.ndarray, np.ndarray]:
        """See `Kernels`."""
        w, r = _floats(weight), _floats(restored)

        def part(start: int, stop: int) -> np.ndarray:
            counts = np.zeros((2, BINS + 1), np.int64)
            ends = counts[0].ctypes.data, counts[1].ctypes.data
            self._counts(_at(w, start), _at(r, start), stop - start, per_restored, per_error, *ends)
            return counts

        of_restored, of_error = np.sum(_split(part, w.numel()), axis=0)
        return of_restored[:BINS], of_error[:BINS]

    def code_counts(self, codes: Tensor) -> np.ndarray:
        """See `Kernels`."""
        flat = codes.reshape(-1)

        def part(start: int, stop: int) -> np.ndarray:
            counts = np.zeros(CODES, np.int64)
            if self._codes(_at(flat, start), stop - start, counts.ctypes.data):
                raise MemoryError
            return counts

        return np.sum(_split(part, flat.numel()), axis=0)

    def round_rows(self, rows: Tensor, number_format: Format, whole: Sequence[float]) -> Tensor:
        """`formats.round_trip` of rows (rows, columns); `whole`: what the format's rule has to know of the tensor that they are from."""
        values = _floats(rows)
        count, columns = values.shape
        out, layout = torch.empty_like(values), _format(number_format, whole)

        def part(start: int, stop: int) -> None:
            self._round(_at(values, start * columns), _at(out, start * columns), stop - start, columns, layout)

        _split(part, count, columns)
        return out.to(rows.dtype)


def _floats(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32).contiguous()


def _at(tensor: Tensor, index: int) -> int:
    return tensor.data_ptr() + index * tensor.element_size()


def _split(work: Callable[[int, int], Part], count: int, size: int = 1) -> list[Part]:
    """`work(start, stop)` on ranges of `count` things of `size` weights each, a range for each thread."""
    threads = max(1, min(torch.get_num_threads(), count * size // WORTH_A_THREAD, count))
    ends = [count * index // threads for index in range(threads + 1)]
    if threads == 1:
        return [work(0, count)]
    with ThreadPoolExecutor(threads) as pool:
        running: Any = [pool.submit(work, start, stop) for start, stop in zip(ends, ends[1:], strict=False)]
        return [part.result() for part in running]
