"""One image for all container platforms: what runs in it, and how it is asked to work."""
