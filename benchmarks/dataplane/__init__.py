"""What moves through the store, and what that costs when the store is a network away."""
