"""What pyproject.toml cannot say: the wheel holds the recipes and examples, for `practicum init`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ("recipes", "examples")


class BuildWithRecipes(build_py):
    """The package, with copies of the folders of recipes and examples inside it."""

    def run(self) -> None:
        """Build the package, then copy; an editable install reads the folders where they are."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib) / "practicum" / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": BuildWithRecipes})
