"""A Dask scheduler with no scheduler process."""

from dask_serverless.serverless import Serverless

__all__ = ["Serverless"]
