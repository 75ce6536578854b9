"""Settings that other choices leave without effect: whoever gives one is told."""

from __future__ import annotations

from collections.abc import Mapping

from practicum.config.classes import fields_of, is_section
from practicum.errors import InputError


def check_effects(config: object, given: Mapping[str, str]) -> None:
    """Raise InputError for a setting that was given and has no effect; `given` maps keys to how they were."""
    idle = settings_without_effect(config)
    for key, name in given.items():
        parts = key.split(".")
        # What a whole section lacks says more than what one of its fields does.
        for place in range(1, len(parts) + 1):
            if why := idle.get(".".join(parts[:place])):
                raise InputError(f"{name} has no effect: {why}")


def settings_without_effect(config: object) -> dict[str, str]:
    """Dotted names of settings and sections that other choices leave without effect, and the reasons."""
    found: dict[str, str] = {}
    for name, annotation in fields_of(type(config)).items():
        if is_section(annotation):
            inner = settings_without_effect(getattr(config, name))
            found |= {f"{name}.{key}": why for key, why in inner.items()}
    told = getattr(type(config), "without_effect", None)
    return found | dict(told(config)) if callable(told) else found
