"""The answer: plans, what they ask of containers, whether they can run, how they compare."""
