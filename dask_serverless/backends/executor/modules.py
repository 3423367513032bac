"""The client's own modules in a process that is not ours: from the store, in the place of files."""

from __future__ import annotations

import sys
import threading

from dask_serverless.backends.own_in_store import own_modules_at
from dask_serverless.backends.own_modules import OWN, source_of
from dask_serverless.signing.secret import Secret
from dask_serverless.store.link import Link
from dask_serverless.worker.imports import ClientModules, Source, SourceLoader


class AdoptedModules:
    """One for the process, as modules are: what a client sent last is what is imported."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.imports = ClientModules()
        self.key = ""

    def adopt(self, link: Link, key: str, secret: Secret | None) -> None:
        """Import from here on what lies under this key in the store.

        Where a module is loaded that was made from anything else, all of the client's go: those
        that are the same may have taken something from it.
        """
        with self.lock:
            if key == self.key or (told := own_modules_at(link, key, secret)) is None:
                return
            sources = {name: Source.from_json(fields) for name, fields in told.items()}
            loaded = [name for name in sources if name in sys.modules]
            if any(self.made_from(name) != sources[name].data for name in loaded):
                for name in loaded:
                    unload(name)
            if self.imports not in sys.meta_path:
                self.imports.install()
            self.imports.sources = {**self.imports.sources, **sources}
            self.key = key

    def made_from(self, name: str) -> bytes | None:
        """A file says so only as long as nobody has looked at it before: it may be edited since."""
        spec = getattr(sys.modules[name], "__spec__", None)
        if spec is None:
            return None
        if isinstance(spec.loader, SourceLoader):
            return spec.loader.source.data
        source = self.imports.sources.get(name) or OWN.sources.get(name) or source_of(spec)
        return source.data if source is not None else None


def unload(name: str) -> None:
    module = sys.modules.pop(name, None)
    package, _, attribute = name.rpartition(".")
    parent = sys.modules.get(package)
    if module is not None and getattr(parent, attribute, None) is module:
        delattr(parent, attribute)


ADOPTED = AdoptedModules()
