"""How to train on a set: what its objects allow, and what a run costs here."""
