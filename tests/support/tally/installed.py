"""Tally as it is installed from a wheel, in a virtual environment of its own."""

import site
import subprocess
import venv
from pathlib import Path

from tests.support.processes import BIN, Process


class Installed:
    """A wheel's programs and commands. They run in `folder`, and with the packages of the tests."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self._folder = folder / "somewhere"
        self._folder.mkdir(parents=True)
        made = folder / "venv"
        venv.create(made, symlinks=True)
        python = made / "bin" / "python"
        install = ("pip", "install", "--quiet", "--no-deps", "--python", python, wheel)
        subprocess.run([BIN / "uv", *install], cwd=self._folder, check=True)
        [packages] = made.glob("lib/python*/site-packages")
        (packages / "tests.pth").write_text("\n".join(site.getsitepackages()))
        self._tally = made / "bin" / "tally"

    def program(self, name: str, log: Path, env: dict[str, str]) -> Process:
        """As `tally` of the tests' processes, from the wheel."""
        return Process(["env", f"--chdir={self._folder}", str(self._tally), name], log, env)

    def version(self) -> str:
        """What it says."""
        said = subprocess.check_output([self._tally, "--version"], cwd=self._folder, text=True)
        return said.split()[1]
