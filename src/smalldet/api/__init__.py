"""The Python API: what the command line does, in functions that `smalldet` itself gives."""
