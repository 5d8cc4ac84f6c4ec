"""`python -m tally` is `tally`."""

from tally.command import main

main()
