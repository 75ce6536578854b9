"""Units as they stand behind a number: which are the same, and which turn into one another."""

from __future__ import annotations

import re
from fractions import Fraction

_TABLE = {
    "length": "mm millimeter millimetre 1/1000; cm centimeter centimetre 1/100; dm decimeter decimetre 1/10; "
    "m meter metre 1; km kilometer kilometre 1000; in inch inche 0.0254; ft foot feet 0.3048; "
    "yd yard 0.9144; mi mile 1609.344; nm nanometer nanometre 1/1000000000",
    "time": "ms millisecond 1/1000; s sec second 1; min minute 60; h hr hour 3600; day 86400; wk week 604800",
    "months": "mo month 1; yr year 12; decade 120; century centurie 1200",
    "mass": "mg milligram 1/1000; g gram 1; kg kilogram 1000; t ton tonne 1000000",
    "pounds": "oz ounce 1; lb pound 16",
    "volume": "ml mL milliliter millilitre cc 1/1000; cl centiliter 1/100; l L liter litre 1",
    "gallons": "cup 1; pint 2; quart 4; gallon 16",
    "money": "$ dollar buck usd US$ 1; ¢ cent penny pennie 1/100; nickel 1/20; quarter 1/4",
    "euro": "€ euro eur 1", "pound": "£ gbp 1", "yen": "¥ yen jpy 1", "rupee": "₹ rupee rs inr 1",
    "temperature": "°c celsius 1", "fahrenheit": "°f fahrenheit 1", "kelvin": "K kelvin 1",
    "angle": "° degree deg 1", "radian": "rad radian 1", "percent": "% percent 1",
    "power": "W watt 1; kilowatt 1000", "energy": "J joule 1; kilojoule 1000", "force": "N newton 1",
    "voltage": "V volt 1", "current": "A ampere amp 1", "frequency": "Hz hertz 1",
    "amount": "mol mole 1; millimole 1/1000", "pressure": "Pa pascal 1; kilopascal 1000",
    "resistance": "Ω ohm 1; kiloohm 1000", "charge": "C coulomb 1",
    "morning": "am 1", "afternoon": "pm 1", "before christ": "bc bce 1", "area": "acre 1",
    "hectare": "ha hectare 1",
}  # fmt: skip


_MOLAR = {"M": "mol/L", "molar": "mol/L", "mM": "mmol/L", "µM": "µmol/L", "μM": "μmol/L", "nM": "nmol/L"}
"""Moles in a litre, of which each prefix makes a unit."""
_WITH_PREFIX = ("m", "g", "s", "L", "W", "J", "N", "V", "A", "Hz", "Pa", "Ω", "mol", "C")
_PREFIXES = {"G": 9, "M": 6, "k": 3, "c": -2, "m": -3, "µ": -6, "μ": -6, "n": -9, "p": -12}
"""Powers of ten; the micro sign and the Greek letter are two characters."""


def _units() -> dict[str, tuple[str, Fraction]]:
    found: dict[str, tuple[str, Fraction]] = {}
    for dimension, units in _TABLE.items():
        for unit in units.split(";"):
            *spellings, factor = unit.split()
            for spelling in spellings:
                found[spelling] = (dimension, Fraction(factor))
    for unit in _WITH_PREFIX:
        dimension, size = found[unit]
        for prefix, power in _PREFIXES.items():
            found.setdefault(prefix + unit, (dimension, size * Fraction(10) ** power))
    return found


UNITS = _units()
"""Spelling -> its dimension and its size there."""
_POWER = re.compile(r"\^?(-?[0-9])$")
_WORDS_OF_POWER = {"square": 2, "sq": 2, "cubic": 3}


def measure(unit: str) -> tuple[tuple[tuple[str, int], ...], Fraction] | None:
    """The dimensions of a unit, with their powers, and its size; None where it is no unit of measure."""
    text = re.sub(r"(?i)\bdegrees? (?=celsius|fahrenheit)|°(?=celsius|fahrenheit)", "", unit)
    text = re.sub(r"\bper\b", "/", text.strip(" .").replace("²", "^2").replace("³", "^3").replace("*", " "))
    text = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h"}.get(text.lower(), _MOLAR.get(text, text))
    dimensions: dict[str, int] = {}
    size = Fraction(1)
    for place, side in enumerate(text.split("/")):
        power_ahead = 1
        words = side.split()
        if not words and (place or "/" not in text):
            return None
        for word in words:
            if word.lower() in _WORDS_OF_POWER:
                power_ahead = _WORDS_OF_POWER[word.lower()]
                continue
            if word.lower() in ("squared", "cubed"):
                continue
            power = _POWER.search(word)
            known = _known(_POWER.sub("", word))
            if known is None:
                return None
            times = (int(power[1]) if power else power_ahead) * (-1 if place else 1)
            if "squared" in words or "cubed" in words:
                times *= 2 if "squared" in words else 3
            dimensions[known[0]] = dimensions.get(known[0], 0) + times
            size *= known[1] ** times
            power_ahead = 1
    if not dimensions:
        return None
    liters = dimensions.pop("volume", 0)  # a liter is a cubic decimeter
    if liters:
        dimensions["length"] = dimensions.get("length", 0) + 3 * liters
        size /= Fraction(1000) ** liters
    return tuple(sorted((name, power) for name, power in dimensions.items() if power)), size


def _known(word: str) -> tuple[str, Fraction] | None:
    mixed = word[:1].islower() and not word.islower()  # mM is no mm
    for one in (
        word,
        word if mixed else word.lower(),
        word.rstrip("."),
        word if mixed else word.lower().removesuffix("s"),
        word if mixed else word.lower().removesuffix("es"),
    ):
        if one in UNITS and (len(one) > 1 or one == word):
            return UNITS[one]
    return None
