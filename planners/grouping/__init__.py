"""Cuts of a graph by its shape alone."""
