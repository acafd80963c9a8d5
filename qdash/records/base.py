"""The base of all records: frozen, and strict about unknown fields."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: immutable, and strict about unknown fields.

    In JSON, which has no numbers for them, infinities and NaN are the texts "Infinity", "-Infinity" and "NaN", read back as numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
