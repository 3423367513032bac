"""Where containers come from."""
