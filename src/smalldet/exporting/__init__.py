"""Models written for other runtimes, and held to what torch gives."""
