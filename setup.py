"""The one step of the build that pyproject.toml has no word for: conf/ travels in the wheel, as greenkd/conf."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigurations(build_py):
    """Builds the packages, and lays conf/ into greenkd; an editable install reads conf/ where it is."""

    def run(self) -> None:
        """Copies afresh, so that no file of an earlier build is left; conf/local is one machine's own."""
        super().run()
        if self.editable_mode:
            return

        copy = Path(self.build_lib, "greenkd", "conf")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree("conf", copy, ignore=shutil.ignore_patterns("local"))


setup(cmdclass={"build_py": BuildWithConfigurations})
