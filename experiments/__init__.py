"""Experiments: one question, one script, one page each. See the README."""
