"""Cartesian tensor mathematics: packed symmetric tensors, polyadics, moment paths, radial bases."""
