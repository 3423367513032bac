"""What runs measured, kept small, and what that predicts: ``opening.open_history``."""
