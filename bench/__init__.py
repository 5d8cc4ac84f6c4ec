"""`make bench`: what Tally costs, beside the least that the same machine can do, in one run."""
