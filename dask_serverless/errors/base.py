"""The root of all errors, and those about how this package is set up."""

from __future__ import annotations

SETTING = "Serverless(store=...) or DASK_SERVERLESS__STORE"


class ServerlessError(Exception):
    """The root of every error that this package raises on purpose."""


class SettingsError(ServerlessError, ValueError):
    """A setting has a value or a name that means nothing."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(setting, problem)
        self.setting = setting
        self.problem = problem

    def __str__(self) -> str:
        return f"The setting {self.setting} {self.problem}"


class PackageMissing(ServerlessError, ImportError):
    """Something optional was asked for, and its package is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(what, package, extra)
        self.what = what
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"For {self.what} the package {self.package} is needed, which is not installed: "
            f"pip install 'dask-serverless[{self.extra}]'"
        )
