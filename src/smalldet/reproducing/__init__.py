"""Public benchmarks, from their folders as downloaded to the figures that they publish."""
