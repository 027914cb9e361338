"""The experiments of the documentation and their report: ``regmdp reproduce``."""
