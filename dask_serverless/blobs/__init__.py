"""Where outputs live: inline in the coordination's calls, in Redis, in shared memory, at any URL."""
