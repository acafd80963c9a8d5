"""Formats that the catalogue does not have: every piece that a row can be made of, in combinations that no row has."""

from dataclasses import replace

from qdash.catalog.elements import E2M1, E2M3, E4M3, E5M2, IQ4, NF4, Float, Integer, Table
from qdash.catalog.formats import Format
from qdash.catalog.scale_rules import (
    BFLOAT16,
    BY_GROUP,
    BY_ROW,
    FLOAT16,
    FLOAT32,
    MX,
    NVFP4,
    Descent,
    Grid,
    ScaleRule,
    ScaleType,
    steps,
    tenths,
)

E2M2 = Float(exponent_bits=2, mantissa_bits=2, bias=1, largest=7.0)
COUNTED = Table((0.0, 1.0, 1.5, 4.0, 11.0))
STEPS = ScaleRule("block", steps(Integer(-7, 7)), superblock=48)
STEPS_BELOW = ScaleRule("block", steps(Integer(0, 7)), "minmax below zero", superblock=40, search=Grid("square", tenths(-2, 4)))
E5M2_SCALE = ScaleType("float", 8, E5M2)

MADE: dict[str, Format] = {
    row.key: row
    for row in (
        Format("fp5-row", "FP5", E2M2, BY_ROW, "test", "Another float."),
        Format("nf4-b64", "NF4 in blocks", NF4, ScaleRule("block"), "test", "A table in blocks.", size=64),
        Format("iq4-g32", "IQ4", IQ4, ScaleRule("group", BFLOAT16), "test", "A table without a zero, in groups.", size=32),
        Format("mxint8", "MXINT8", Integer(-127, 127), MX, "test", "Integers that share a power of two.", size=32),
        Format("mxnf4", "MXNF4", NF4, MX, "test", "A table that shares a power of two.", size=32),
        Format("int4-b32", "INT4", Integer(-7, 7), ScaleRule("block", BFLOAT16), "test", "Symmetric integers in blocks.", size=32),
        Format("int5-g24", "INT5", Integer(0, 31), BY_GROUP, "test", "Affine integers in groups.", size=24),
        Format("int4-minmax", "INT4", Integer(0, 15), ScaleRule("row", FLOAT32, "minmax"), "test", "Affine integers by row."),
        Format("table-minmax", "Steps", COUNTED, ScaleRule("tensor", BFLOAT16, "minmax with zero"), "test", "An affine table."),
        Format("fp8-tensor", "FP8", E4M3, ScaleRule("tensor"), "test", "One scale for everything."),
        Format("mx-tensor", "MX", E2M1, replace(MX, shares="tensor"), "test", "One power of two for everything."),
        Format("fp6-e5m2-scale", "FP6", E2M3, ScaleRule("block", E5M2_SCALE), "test", "Scales of eight bits by themselves.", size=16),
        Format("nvfp6", "NVFP6", E2M3, replace(NVFP4, scale=E5M2_SCALE), "test", "Scales of eight bits, and one for all.", size=16),
        Format("nf4-f16", "NF4", NF4, ScaleRule("group", FLOAT16, search=Grid("magnitude", tenths(-3, 3))), "test", "Searched.", size=24),
        Format("int4-f16", "INT4", Integer(0, 15), ScaleRule("block", FLOAT16, "minmax with zero", ties="away"), "test", "Away.", size=32),
        Format("nf4-steps", "NF4", NF4, replace(STEPS, search=Descent("magnitude+mean", 2)), "test", "Steps with a sign.", size=12),
        Format("int3-steps", "INT3", Integer(0, 7), STEPS_BELOW, "test", "Steps of scales and of minima.", size=20),
        Format("nvnf4", "NVNF4", NF4, replace(NVFP4, shares="row"), "test", "A table with both."),
    )
}
