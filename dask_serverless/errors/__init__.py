"""Every error that dask-serverless raises on purpose, in one tree.

An error's arguments are its data: they are attributes, they survive pickling (`args` is all that
travels), and the message is made from them when it is shown.

New ones go where their concern is; this is where users, and pickles, find them.
"""

from dask_serverless.errors.base import PackageMissing, ServerlessError, SettingsError
from dask_serverless.errors.containers import (
    ContainersAbsent,
    ContainersClosed,
    ContainersCutOff,
    ContainersNotStarting,
    ExecutorUnusable,
    IllegalTransition,
    ImageNotBuilt,
    PlatformUnavailable,
    VersionsDiffer,
)
from dask_serverless.errors.graph import (
    FutureInGraph,
    GraphError,
    InputNotPicklable,
    MissingKey,
    UnsupportedTask,
)
from dask_serverless.errors.runs import (
    HistoryUnusable,
    NothingToCompare,
    PlanRefused,
    RunDamaged,
    RunLost,
)
from dask_serverless.errors.showing import DashboardUnavailable, ReportUnwritten, RunUnreadable
from dask_serverless.errors.store import (
    BlobLost,
    BlobsFull,
    BlobsUnusable,
    BlobTooLarge,
    InvitationExpired,
    NotAuthentic,
    StoreCommandFailed,
    StoreDenied,
    StoreEnded,
    StoreError,
    StoreEvicts,
    StoreFull,
    StoreReadOnly,
    StoreTooOld,
    StoreUnreachable,
    StoreUrlInvalid,
    StoreValueTooLarge,
)
from dask_serverless.errors.tasks import (
    BundleLost,
    ExceptionNotPicklable,
    ResultNotPicklable,
    ResultTooLarge,
    TaskExited,
)

__all__ = [
    "BlobLost",
    "BlobTooLarge",
    "BlobsFull",
    "BlobsUnusable",
    "BundleLost",
    "ContainersAbsent",
    "ContainersClosed",
    "ContainersCutOff",
    "ContainersNotStarting",
    "DashboardUnavailable",
    "ExceptionNotPicklable",
    "ExecutorUnusable",
    "FutureInGraph",
    "GraphError",
    "HistoryUnusable",
    "IllegalTransition",
    "ImageNotBuilt",
    "InputNotPicklable",
    "InvitationExpired",
    "MissingKey",
    "NotAuthentic",
    "NothingToCompare",
    "PackageMissing",
    "PlanRefused",
    "PlatformUnavailable",
    "ReportUnwritten",
    "ResultNotPicklable",
    "ResultTooLarge",
    "RunDamaged",
    "RunLost",
    "RunUnreadable",
    "ServerlessError",
    "SettingsError",
    "StoreCommandFailed",
    "StoreDenied",
    "StoreEnded",
    "StoreError",
    "StoreEvicts",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooOld",
    "StoreUnreachable",
    "StoreUrlInvalid",
    "StoreValueTooLarge",
    "TaskExited",
    "UnsupportedTask",
    "VersionsDiffer",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # as tracebacks and pickles name it
