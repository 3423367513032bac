"""Containers of a Docker daemon: their image, their pool, and how nothing of them is left."""
