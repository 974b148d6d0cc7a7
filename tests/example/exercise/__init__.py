"""Addresses that wait, work, grow and stream on request: the handles of load and fault tests."""
