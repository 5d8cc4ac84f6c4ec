"""What a call costs as buckets, nodes and web processes grow: `python -m bench.scaling`."""
