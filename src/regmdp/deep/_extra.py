"""Check that the packages of the extra ``deep`` are installed, before any module imports them."""

from importlib.util import find_spec

from regmdp._internal.errors import MissingExtraError

for _package in ("gymnasium", "jax", "optax"):
    if find_spec(_package) is None:
        raise MissingExtraError(_package, "deep")
