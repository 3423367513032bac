"""One run on the client's side."""
