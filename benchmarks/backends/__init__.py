"""Where a comparison takes place: peers, targets and starts of each backend, in a module each."""

BACKENDS = ("local", "docker")
