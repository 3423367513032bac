"""A network to measure with: the store as it is reached from further away, and over a thinner wire."""
