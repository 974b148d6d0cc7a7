"""The schema, and the first six products."""
