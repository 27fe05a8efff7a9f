"""Build the package; its metadata is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithFiles(build_py):
    """Build the package with a copy of the experiments and lessons in it, so that a wheel needs no checkout."""

    def run(self):
        """Copy experiments/ and lessons/ to musicml/ of what is built; an editable install reads the checkout's own."""
        super().run()
        if self.editable_mode:
            return
        for path in sorted([*Path("experiments").rglob("*.toml"), *Path("lessons").glob("??/[0-9]*.ipynb")]):
            target = Path(self.build_lib, "musicml", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithFiles})
