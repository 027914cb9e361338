"""One module for each peer, imported in the environment of that peer only.

Each has a class Adapter with the names of the packages whose versions matter, load(model), and
prepare(method, tolerance, temperature), which returns two functions: the one that is timed, and the
one that takes its result and returns the (S,) value.
"""
