"""A Dask scheduler with no scheduler process.

>>> from dask_serverless import Serverless
>>> dask.compute(x, scheduler=Serverless())
"""

__version__ = "0.1.0"  # first: the rest asks for it

from dask.base import named_schedulers

from dask_serverless import config as config
from dask_serverless.errors import ServerlessError
from dask_serverless.serverless import Lazy, Serverless

serverless = Lazy()
named_schedulers["serverless"] = serverless  # type: ignore[assignment]

__all__ = ["Serverless", "ServerlessError", "__version__", "serverless"]
