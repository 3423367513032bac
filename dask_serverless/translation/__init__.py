"""Whatever Dask hands over becomes a Dag, steps and constants, and those bytes."""
