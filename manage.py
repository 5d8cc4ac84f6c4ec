#!/usr/bin/env python
"""`tally` of a checkout, with the data of its folder, by the name that Django's command line has."""

import os
from pathlib import Path

from tally.command import main

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent)
    main()
