"""wrk, which calls as fast as it is answered."""

import re
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("ids.lua")
CONNECTIONS = 256


class NoWrk(Exception):
    """wrk is not installed."""


def calls_per_second(url: str, seconds: int) -> float:
    """Answered calls; raises RuntimeError when any was answered with an error, NoWrk when there is no wrk."""
    if not (wrk := shutil.which("wrk")):
        raise NoWrk("make bench needs wrk: apt-get install wrk, or brew install wrk")
    command = [wrk, "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if refused := re.search(r"Non-2xx.*|Socket errors.*", output):
        raise RuntimeError(f"{url}: {refused[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", output)
    assert rate, output
    return float(rate[1])
