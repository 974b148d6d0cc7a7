"""Read by each task when it begins and when it ends: a release differs from all others in this file."""
