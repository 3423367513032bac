"""A history that cannot be used is warned of where the user computes, not in a library's line."""

from __future__ import annotations

from pathlib import Path

import dask
import pytest
from dask import delayed

from dask_serverless import Serverless


@pytest.mark.parametrize("looks", [True, False], ids=["plan", "compute"])
def test_the_warning_points_at_the_users_line(
    serverless: Serverless, tmp_path: Path, looks
) -> None:
    path = tmp_path / "history"
    path.write_text("no history")
    view = serverless.options(history=str(path))
    with pytest.warns(UserWarning, match="no history at all.* goes on without") as told:
        view.plan(delayed(abs)(-1)) if looks else dask.compute(delayed(abs)(-1), scheduler=view)
    assert [each.filename for each in told] == [__file__]
