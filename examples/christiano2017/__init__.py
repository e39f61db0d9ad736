"""Christiano et al. 2017: an agent that learns a task from comparisons of its own short clips."""
