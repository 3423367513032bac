"""The demo of the command line: a computation, its check, where the time went, a comparison."""
