"""One source of truth per setting: dataclass defaults < `--size` preset < TOML file < `--dotted.key value`.

Every stage has a frozen `Config` dataclass; fields are `bool`, `int`, `float`, `str`, `Path`, `Literal`,
`X | None`, tuples, `dict` or `Mapping[str, X]`, and nested dataclasses. A stage's module may define
`SIZES: dict[str, dict[str, object]]`, which maps each value of the config's field `size` to dotted keys and
their values. TOML has no null, so None is written and read as the text "none", in files and flags alike.

A number's range stands at its field (`practicum.ranges`), and so does the mark of the settings that most
people change, which the short help page shows. Flags, TOML and the help pages all go by one table, the leaves
of the dataclass, so that what a page shows is what is read and errors have the same words everywhere; `dict`
fields take new keys (`--weights.brevity 0.1`), and the name of a section is short for its head: its field
`name`, `file` or `functions`.

A stage inside a stage has a settings class without the fields that its owner decides, which the stage's own
config class extends: `completed` makes the one from the other. Fields that a class had and lost stand in its
`withdrawn`, and new ones whose default changes what a run does in its `before`, so that runs begun before
still resume.

Defaults that go by the model are what the method `by_model` returns: what the model is, and values by dotted
key. A setting that somebody gives has an effect or is refused: the method `without_effect` of a config class
maps the settings and sections that other choices leave without one to the reason.
"""

from __future__ import annotations

from practicum.config.effects import check_effects, settings_without_effect
from practicum.config.files import flatten, parse_toml, read_toml, to_toml
from practicum.config.flags import nearest
from practicum.config.help import asked_help, help_text
from practicum.config.layers import completed, load, stored

__all__ = [
    "asked_help",
    "check_effects",
    "completed",
    "flatten",
    "help_text",
    "load",
    "nearest",
    "parse_toml",
    "read_toml",
    "settings_without_effect",
    "stored",
    "to_toml",
]
