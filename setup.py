"""Build the package; its metadata is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithExperiments(build_py):
    """Build the package with a copy of the experiments in it, so that a wheel needs no checkout."""

    def run(self):
        """Copy experiments/ to musicml/experiments of what is built; an editable install reads the checkout's own."""
        super().run()
        if self.editable_mode:
            return
        for path in sorted(Path("experiments").rglob("*.toml")):
            target = Path(self.build_lib, "musicml", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithExperiments})
