"""How far a run is, in a terminal or a notebook, while it goes on."""
