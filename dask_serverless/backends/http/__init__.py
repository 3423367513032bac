"""Containers of any platform that routes HTTP requests to the image."""
