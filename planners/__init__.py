"""Pure planning: graph and numbers in, plan out."""
