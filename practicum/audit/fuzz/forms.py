"""Replies whose form is broken, for rewards that pay the form alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe, refused


def broken_forms(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """For rewards of the form alone: its marks without contents, in another order, or not closed."""
    goods = anatomy.rows[row].good
    names = [
        name
        for name in dict.fromkeys(re.findall(r"<(\w+)>", goods[0]))
        if all(f"<{name}>" in one for one in goods)
    ]
    prompt = anatomy.rows[row].prompt.text
    if not names or not all(f"<{name}>" in prompt for name in names):
        return
    pairs = [f"<{name}></{name}>" for name in names]
    what = "with the marks of the form and nothing in them"
    yield refused(row, "".join(pairs), "bare_format", what)
    yield refused(row, " ".join(pairs), "bare_format", what)
    yield refused(row, "\n".join(f"<{name}>\n</{name}>" for name in names), "bare_format", what)
    yield refused(row, "\n".join(f"<{name}>\n\n</{name}>" for name in names), "bare_format", what)
    yield refused(row, "".join(f"<{name}>" for name in names), "bare_format", what)
    yield refused(row, "".join(f"</{name}>" for name in names), "bare_format", what)
    yield refused(row, "".join(f"</{name}><{name}>" for name in names), "bare_format", what)
    yield refused(
        row,
        "".join(f"<{name}>..." for name in names) + "".join(f"</{name}>" for name in names),
        "bare_format",
        what,
    )
    for text in anatomy.rows[row].bad[:2]:
        bare = re.sub(r"</?\w+>", "", text)
        yield refused(
            row, bare + "".join(pairs), "bare_format", "with everything outside of the form's marks"
        )
        yield refused(
            row, "".join(pairs) + bare, "bare_format", "with everything outside of the form's marks"
        )
        yield refused(
            row, "\n".join(pairs) + "\n" + bare, "bare_format", "with everything outside of the form's marks"
        )
    contents = {name: re.search(rf"<{name}>(.*?)</{name}>", goods[0], re.DOTALL) for name in names}
    if len(names) > 1 and all(contents.values()):
        parts = [one[0] for one in contents.values() if one]
        yield refused(row, " ".join(reversed(parts)), "order_unchecked", "with the parts in the wrong order")
        yield refused(row, "\n".join(reversed(parts)), "order_unchecked", "with the parts in the wrong order")
        for name, part in zip(names, parts, strict=True):
            for gap in (" ", "\n"):
                unclosed = gap.join(parts).replace(f"</{name}>", "")
                yield refused(row, unclosed, "not_closed", f"whose <{name}> is not closed")
                yield refused(
                    row,
                    gap.join(one for one in parts if one != part),
                    "part_missing",
                    f"without its <{name}>",
                )
                emptied = gap.join(parts).replace(part, f"<{name}></{name}>")
                yield refused(row, emptied, "bare_format", f"with nothing in <{name}>")
                closed_first = gap.join(parts).replace(f"<{name}>", f"</{name}>", 1)
                yield refused(row, closed_first, "not_closed", f"whose <{name}> is not opened")
        for gap in ("", " ", "\n"):
            yield refused(row, gap.join(f"<{name}>" for name in names) + goods[0][:0], "bare_format", what)
        yield refused(row, gap.join(parts * 4), "format_repeated", "that repeats the form")
        yield refused(
            row, "\n".join([*pairs] * 4), "format_repeated", "that repeats the form with nothing in it"
        )
