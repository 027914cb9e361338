"""Models of behaviour that are estimated from data: choice, irl and routes."""
