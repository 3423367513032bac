"""The protocol by which containers decide among themselves what runs next."""
