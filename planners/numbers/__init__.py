"""What tasks take: predictions, and the measurements they rest on."""
