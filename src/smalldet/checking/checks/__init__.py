"""One file a check: `find(labelled)` yields what it finds, in the order of its weight."""
