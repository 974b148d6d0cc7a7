"""Jobs, what became of each of them, and what was due by a calendar."""
