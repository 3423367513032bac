"""The commands of ``dask serverless …``."""
