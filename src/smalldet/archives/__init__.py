"""Archives: many scenes on many workers, by Ray."""
