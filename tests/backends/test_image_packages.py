"""What goes into an image from files of requirements: hashes, includes, and what cannot be read."""

from __future__ import annotations

import hashlib
import threading
import zipfile

import pytest

from dask_serverless.backends.docker.packages import Packages, contents
from dask_serverless.errors import ImageNotBuilt


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Two wheels, and a pip that knows nothing else."""
    for name in ("needed_package", "users_package"):
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            folder = f"{name}-1.0.dist-info"
            wheel.writestr(
                f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            wheel.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{folder}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def locked(folder, data):
    """A file of requirements as pip-compile --generate-hashes and uv write it."""
    path = folder / "requirements.txt"
    path.write_text(
        f"users-package==1.0 \\\n    --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"
    )
    return path


def test_a_file_with_hashes_is_installed_beside_what_has_none(index):
    data = (index / "users_package-1.0-py3-none-any.whl").read_bytes()
    packages = Packages(["needed-package"], locked(index, data), ["needed_package==1.0"])
    packages.install(index / "target", threading.Event())
    assert {path.stem for path in (index / "target").glob("*.py")} == {
        "needed_package", "users_package",
    }  # fmt: skip


def test_a_wrong_hash_is_an_error_that_names_the_file(index):
    path = locked(index, b"something else")
    with pytest.raises(ImageNotBuilt, match="HASHES") as caught:
        Packages(["needed-package"], path, []).install(index / "target", threading.Event())
    assert f"{path} (the setting requirements)" in str(caught.value)


def test_included_files_count_once_even_in_a_circle(tmp_path):
    (tmp_path / "requirements.txt").write_text("-r more.txt\n-c https://example.com/all.txt\n")
    (tmp_path / "more.txt").write_text("--requirement=requirements.txt\n-c more.txt\none\n")
    assert "".join(contents(tmp_path / "requirements.txt")).count("one") == 1


@pytest.mark.parametrize("included", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_an_included_file_that_cannot_be_read_is_named(tmp_path, included):
    path = tmp_path / "requirements.txt"
    path.write_text("-r included.txt\n")
    if included is not None:
        (tmp_path / "included.txt").write_bytes(included)
    with pytest.raises(ImageNotBuilt, match="included.txt cannot be read") as caught:
        list(contents(path))
    assert "the setting requirements" in str(caught.value)


def test_pip_ends_with_the_client_that_wants_the_image(index):
    over = threading.Event()
    over.set()
    with pytest.raises(ImageNotBuilt, match="closed meanwhile"):
        Packages(["needed-package"], None, []).install(index / "target", over)
    assert not [path for path in index.iterdir() if path.name.startswith("pip-")]
