"""Containers on whatever has ``submit(function, *args)``: pools of processes, clusters."""
