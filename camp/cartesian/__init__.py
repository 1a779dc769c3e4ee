"""Cartesian tensor mathematics: symmetric and natural tensors, polyadics, paths, radial bases.

Natural tensors and what is made of them can be used alone:

>>> from camp.cartesian import natural
>>> from camp.cartesian.voigt import stiffness_from_voigt
>>> parts = natural.decompose(stiffness_from_voigt(matrix), "ijkl=jikl=klij")
>>> lame_lambda, lame_mu = parts[0]
"""
