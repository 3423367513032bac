"""Optimizations: annotations that any planner composes, and what each is expected to save."""
