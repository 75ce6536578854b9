"""Chemical formulas, however their subscripts are written."""

from __future__ import annotations

import re

from practicum.exact.expression import word_set
from practicum.exact.maths_values import SUBSCRIPTS

_ELEMENTS = word_set(
    """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb
    Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db
    Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"""
)
_SUBSCRIPT = re.compile(r"(?<=[A-Za-z)\]])_(?:\{(\d{1,3})\}|(\d))(?!\d)")
_STYLED = re.compile(r"\\(?:mathrm|text|ce|rm)\s*\{((?:[^{}]|\{\d{1,3}\})*)\}")
_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d{0,3}|[()\[\]]\d{0,3})+")


def formula_of(text: str) -> str:
    r"""A chemical formula without marks of subscripts: H2O for \mathrm{H_2O}; "" for anything else.

    It has a number, and nothing but elements and brackets beside.
    """
    bare = text.strip().strip("$").strip()
    bare = _STYLED.sub(r"\1", bare).translate(SUBSCRIPTS)
    bare = _SUBSCRIPT.sub(lambda found: found[1] or found[2], bare)
    if not _FORMULA.fullmatch(bare) or not re.search(r"\d", bare):
        return ""
    return bare if set(re.findall(r"[A-Z][a-z]?", bare)) <= _ELEMENTS else ""
