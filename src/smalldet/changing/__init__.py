"""Change: what appeared, went, stayed and moved between dates, and what was not seen."""
