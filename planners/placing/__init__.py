"""Which unit goes to which slot."""
