"""Who sees what lies at an fsspec URL, and whether it can be written: told by its schemes alone."""

from __future__ import annotations

OF_ONE_HOST = ("file", "local", "asynclocal")
OF_ONE_PROCESS = ("memory",)
ONLY_READ = (
    "data", "gist", "git", "github", "http", "https", "libarchive", "reference", "tar", "zip",
)  # fmt: skip
INSTEAD = "like s3://bucket/folder"


def schemes(url: str) -> list[str]:
    """From the outer to the inner one: fsspec chains them by "::"."""
    return [part.partition("://")[0] for part in url.split("::")]


def refused(url: str) -> str:
    """Why nothing could be stored there for containers; "" where it may be possible."""
    for scheme in schemes(url):
        if scheme in OF_ONE_PROCESS:
            return (
                f"must be a place that all processes see, and {scheme}:// is another one in each: "
                f"leave it out where all are on one host, or name one {INSTEAD}"
            )
        if scheme in ONLY_READ:
            return f"must be a place to write to, and {scheme}:// is only read: name one {INSTEAD}"
    return ""


def on_one_host(url: str | None) -> bool:
    return url is not None and schemes(url)[-1] in OF_ONE_HOST
