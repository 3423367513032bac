"""The store: starting a private one, connecting to any one, one round trip at a time."""
