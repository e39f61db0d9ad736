"""Whole settings of the literature, built with preftune and runnable."""
