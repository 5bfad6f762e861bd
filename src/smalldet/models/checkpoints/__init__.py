"""Reading and writing trained weights. Nothing in a checkpoint is ever executed."""
