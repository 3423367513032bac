"""What those backends are told whose image is made here."""

from __future__ import annotations

import os
from pathlib import Path

from dask_serverless.backends.docker.packages import minor
from dask_serverless.backends.own_settings import OwnSettings


class ImageSettings(OwnSettings):
    requirements: str | None  # a requirements.txt (or lock file)
    base: str | None  # the image to build on; None: Python's own, as the client has it

    def check_image(self) -> None:
        for name in ("requirements", "base"):
            if not isinstance(getattr(self, name), str | os.PathLike | None):
                self.refuse(name, "must be text")
        if self.requirements is not None and not Path(self.requirements).expanduser().is_file():
            self.refuse("requirements", "there is no such file")
        if self.base is not None and not self.base:
            self.refuse("base", "must name an image")

    @property
    def base_image(self) -> str:
        return self.base or f"python:{minor()}-slim"

    @property
    def requirements_file(self) -> Path | None:
        return Path(self.requirements).expanduser().resolve() if self.requirements else None
