"""Families of models on which methods are compared."""
