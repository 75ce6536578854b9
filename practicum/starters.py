"""`practicum init`: copy a recipe or an example that came with the package, to start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from practicum.config import nearest
from practicum.errors import InputError
from practicum.files import atomic_write, writing

HELP = """usage: practicum init [NAME [DIR]]

Copy a recipe or an example to start from. Without NAME, list them.

  NAME   the recipe's folder or the example's script, as `practicum init` lists them
  DIR    where to (default: ./NAME, or ./NAME.py for an example); nothing is ever overwritten"""


@dataclass(frozen=True)
class Starter:
    """Files to begin with: a recipe's folder, or one example script."""

    name: str
    line: str
    source: Path
    files: tuple[str, ...]


def starters() -> dict[str, Starter]:
    """All recipes and examples by name. Raises InputError where the package came without them."""
    found = {}
    for folder in sorted(path for path in packaged("recipes").iterdir() if path.is_dir()):
        files = tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))
        found[folder.name] = Starter(folder.name, _title(folder / "README.md"), folder, files)
    for script in sorted(packaged("examples").glob("*.py")):
        found[script.stem] = Starter(script.stem, _title(script), script.parent, (script.name,))
    return found


def command(arguments: Sequence[str]) -> int:
    """Run `practicum init` with what follows the word; returns the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0
    for argument in arguments:
        if argument.startswith("-"):
            raise InputError(f"init has no option {argument}: practicum init [NAME [DIR]]")
    known = starters()
    if not arguments:
        width = max(map(len, known))
        print("\n".join(f"{one.name:<{width}}  {one.line}" for one in known.values()))
        return 0
    name, *rest = arguments
    if len(rest) > 1:
        raise InputError(f"init takes a name and a folder, got {rest[1]!r} as well")
    if name not in known:
        meant = nearest(name, list(known))
        raise InputError(f"there is no {name!r} to start from{meant or ';'} `practicum init` lists all")
    for path in copy(known[name], Path(rest[0]) if rest else None):
        print(path)
    return 0


def copy(starter: Starter, folder: Path | None = None) -> list[Path]:
    """Copy a starter's files, and return their new paths. Raises InputError where one is there already.

    What its README says of its own folder says the new one.
    """
    is_script = starter.source.name == "examples"
    target = folder or Path("." if is_script else starter.name)
    copies = {target / name: (starter.source / name).read_text(encoding="utf-8") for name in starter.files}
    with writing(target):
        if there := [path for path in copies if path.exists()]:
            raise InputError(f"{there[0]} is there already: give another folder, practicum init NAME DIR")
        for path, text in copies.items():
            here = "examples/" if is_script else f"recipes/{starter.name}/"
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, text.replace(here, f"{target.as_posix()}/"))
    return list(copies)


def packaged(name: str) -> Path:
    """The folder of `recipes` or `examples`: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(f"this installation came without its {name}: install a wheel, or work in a checkout")


def _title(path: Path) -> str:
    """The first line of a page or of a script's docstring."""
    line = next(iter(path.read_text(encoding="utf-8").splitlines()), "") if path.is_file() else ""
    return line.strip('#" ')
