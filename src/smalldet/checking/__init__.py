"""What is wrong with a labelled set: a table of checks, and the page of what they find."""
