"""The page of an evaluation: figures, charts, and crops of the errors."""
