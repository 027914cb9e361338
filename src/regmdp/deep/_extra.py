"""Says what to install where a package is missing, before anything is imported that needs it."""

from importlib.util import find_spec

from regmdp._internal.errors import MissingExtraError

for _package in ("gymnasium", "jax", "optax"):
    if find_spec(_package) is None:
        raise MissingExtraError(_package, "deep")
