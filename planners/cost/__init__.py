"""What a plan takes: platforms, transfers, and virtual time."""
