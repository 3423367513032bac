"""Structure: the graph of tasks as arrays, its order, its groups, its chains."""
