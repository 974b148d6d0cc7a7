"""Queue jobs, report what became of them, take some, and what a schedule runs."""
