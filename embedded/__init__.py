"""The whole system on one machine, for trying it and for tests: real servers, and a supervisor."""
