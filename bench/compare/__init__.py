"""The same events through Tally and through the engines that people would use in its place."""
