"""Fixes what Hypothesis draws, so that two runs of the same code test the same examples."""

from hypothesis import HealthCheck, settings

# Neither a deadline nor a health check on speed: both depend on how busy the machine is.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# For a search after something that the fixed examples miss: pytest --hypothesis-profile=explore
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile("fixed")
# The quick tier: fewer examples. Tests that take a share of them read the settings that are loaded
# when they are imported.
settings.register_profile("quick", settings.get_profile("fixed"), max_examples=40)

# A page of user code, with errors, that type checkers read.
collect_ignore = ["types/page.py"]


def pytest_configure(config):
    if not config.getoption("--full") and not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick")
