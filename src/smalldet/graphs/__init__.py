"""Networks as graphs outside torch: how they are made, and what a file of one says of itself."""
