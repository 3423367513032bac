"""Open files of h5py and netCDF4 travel as their names: whoever gets one opens it for reading."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


class _Container(threading.local):
    """Several share a process where each has a thread of it."""

    files: dict[tuple[Any, str], Any] | None = None  # open, by function and path


_open = _Container()

ON_DISK = {"sec2", "stdio", "windows"}  # h5py's drivers for plain files
NOT_FOR_READING = "{} is open for writing or in memory, where no other process can read it. {}"


def keep() -> None:
    """From here on this container keeps what it opens until ``close``: bundles open the same files
    again and again.
    """
    _open.files = {}


def kept(function: Callable[[str], Any], path: str) -> Any:
    files = _open.files
    if files is None:
        return function(path)
    if (function, path) not in files:
        files[function, path] = function(path)
    return files[function, path]


def close() -> bool:
    """Close what was kept; whether there was anything. HDF5 would go on to serve what it has read
    to whoever opens the same file again, though it has changed meanwhile.
    """
    if not _open.files:
        return False
    while _open.files:
        _, file = _open.files.popitem()
        with suppress(Exception):  # the task has closed it
            file.close()
    return True


def let_go() -> None:
    """This thread is a container no more."""
    close()
    _open.files = None


def reduce_h5py(thing: Any) -> Reduced:
    """A File, Group or Dataset. What the client has written but not flushed would be missing."""
    if not thing:
        raise ValueError("its file is closed; keep it open while you compute")
    file = thing.file
    if file.driver not in ON_DISK or not thing.name:
        raise ValueError(
            f"{file.filename!r} with h5py's driver {file.driver!r} is no file that another process "
            "can open; take its values with dataset[...]"
        )
    written, whole = file.mode != "r", isinstance(thing, type(file))
    if written and whole:
        raise ValueError("it is open for writing; pass its name, and open it where it is used")
    if written:
        file.flush()
    path = os.path.abspath(file.filename)
    if not _is_there(file, path):
        raise ValueError(f"its file is no longer at {path}; open it anew")
    return open_h5py, (path, thing.name, written, whole)


def _is_there(file: Any, path: str) -> bool:
    """The working folder may have changed since, or the file been replaced."""
    try:
        return os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))
    except FileNotFoundError:
        return False


def open_h5py(path: str, name: str, written: bool, whole: bool) -> Any:
    file = kept(_open_written if written else _open_read, path)
    return file if whole else file[name]


def _open_read(path: str) -> Any:
    """Without a lock from here on: a container closes it a little later than the client hears of
    the results, and may then want to write to it.
    """
    import h5py

    file = h5py.File(path, "r")
    with suppress(OSError):  # HDF5 locks in another way, which ends with the file
        fcntl.flock(file.id.get_vfd_handle(), fcntl.LOCK_UN)
    return file


def _open_written(path: str) -> Any:
    """The client's lock on a file that it has open for writing must not keep readers away: it has
    flushed the file, and waits for them.
    """
    import h5py

    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        problem = NOT_FOR_READING.format(path, "Close it and open it with mode 'r'")
        raise OSError(f"{problem} ({error})") from error


def reduce_dataset(dataset: Any) -> Reduced:
    """A netCDF4.Dataset or Group: its file, and the way down to it."""
    root = dataset
    while root.parent is not None:
        root = root.parent
    path = root.filepath()
    if "://" not in path:
        if _writable(root) or not os.path.exists(path):
            advice = "Close it and open it with netCDF4.Dataset(name), or take variable[...]"
            raise ValueError(NOT_FOR_READING.format(path, advice))
        path = os.path.abspath(path)
    return open_dataset, (path, dataset.path)


def open_dataset(path: str, group: str) -> Any:
    import netCDF4

    dataset = kept(netCDF4.Dataset, path)
    return dataset if group == "/" else dataset[group]


def reduce_variable(variable: Any) -> Reduced:
    """With what decides which values it gives: masks, scales and strings."""
    how = (variable.mask, variable.scale, variable.always_mask, variable.chartostring)
    return open_variable, (variable.group(), variable.name, *how)


def open_variable(
    dataset: Any, name: str, mask: bool, scale: bool, always_mask: bool, strings: bool
) -> Any:
    variable = dataset.variables[name]
    variable.set_auto_mask(mask)
    variable.set_auto_scale(scale)
    variable.set_always_mask(always_mask)
    variable.set_auto_chartostring(strings)
    return variable


def _writable(dataset: Any) -> bool:
    """netCDF4 does not tell how a file was opened: only the error of a change that changes nothing."""
    try:
        dataset.delncattr("_no_such_attribute_of_dask_serverless")
    except (AttributeError, RuntimeError) as error:
        return "not found" in str(error)
    return True


def of_h5py() -> dict[type, Callable[[Any], Reduced]]:
    import h5py

    return dict.fromkeys((h5py.File, h5py.Group, h5py.Dataset), reduce_h5py)


def of_netcdf4() -> dict[type, Callable[[Any], Reduced]]:
    import netCDF4

    return {
        netCDF4.Dataset: reduce_dataset,
        netCDF4.Group: reduce_dataset,
        netCDF4.Variable: reduce_variable,
    }
