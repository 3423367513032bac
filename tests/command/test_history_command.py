"""``dask serverless history``: what predictions rest on, for people and programs; and forgetting it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dask.config
import pytest
from click.testing import CliRunner, Result

from dask_serverless.command.cli import serverless
from dask_serverless.command.history import print_table
from dask_serverless.config import Settings
from dask_serverless.history.description import rows_of
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Observations,
    Packing,
    Sample,
    Start,
    Transfer,
)
from dask_serverless.history.opening import archive_of, history_at
from dask_serverless.history.tables import ago, duration, shortened, tables
from dask_serverless.store.link import Link

WIDTH = 80


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dask-serverless" / "history"


def learn(**settings: object) -> None:
    rows = [Sample(0, 1e6, seconds, 2 << 20, 3e6) for seconds in (0.1, 0.2, 0.3)]
    history = history_at(Settings.gather(**settings))
    history.record(
        Observations(
            {
                "mine.load#0123456789ab": Calls(3, 0.6, rows),
                "numpy.sum": Calls(1000, 0.01, [Sample(0, 1, 1e-5, 8, 8)]),
                "mine.workflow.steps.a_function_with_a_long_name": Calls(1, 5.0),
            },
            [Transfer("redis", UPLOAD, 1 << 20, 0.01)],
            [Start(True, 0.5)],
            [0.0001],
        )
    )
    history.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(serverless, ["history", *arguments])


def test_a_table_shows_what_was_measured() -> None:
    learn()
    shown = run()
    assert shown.exit_code == 0
    for line in (
        r"^mine\.load#0123456789ab +3 +3 +200 ms +280 ms +2\.00 MiB +(now|\d+ s ago)$",
        r"^numpy\.sum +1,000 +1 +10 us +10 us +8 B +",
        r"^\.\.\S+long_name +1 +0 +5 s ",
        r"^redis upload +1 +1 +10 ms +10 ms +1\.00 MiB",
        r"^cold +1 +1 +500 ms ",
        r"^round trip +1 +1 +100 us ",
    ):
        assert re.search(line, shown.output, re.MULTILINE), line
    functions = re.findall(r"^\S*(long_name|load|sum)", shown.output, re.MULTILINE)
    assert functions == ["long_name", "load", "sum"], "what took longest in all comes first"
    assert [line for line in shown.output.splitlines()[1:] if len(line) > WIDTH] == []
    assert shown.output.isascii()


def test_the_widest_cells_stay_apart(capsys: pytest.CaptureFixture[str]) -> None:
    wide = Sample(0, 1e6, 0.000352, 320_000, 9e8)
    archive = archive_of(Settings.gather())
    history = history_at(Settings.gather())
    history.record(Observations({"mine.load": Calls(100_000, 35.2, [wide] * 9)}, [], [], []))
    history.close()
    now = max(entry.seen for entry in archive.load().values())
    (table,) = tables(rows_of(archive.load()), now + 59 * 60)
    print_table(table)
    told = capsys.readouterr().out
    assert re.search(
        r"^mine\.load +100,000 +\d+ +352 us +352 us +312\.50 kiB 59 min ago$", told, re.M
    )
    assert max(map(len, told.splitlines())) <= WIDTH
    assert "timed" in told  # of which there may have been more calls


def test_a_name_filters() -> None:
    learn()
    for name in ("load", "mine.load", "mine.load#0123456789ab", "m*.lo?d", "*#0123456789ab"):
        assert "mine.load" in run(name).output
        assert "numpy" not in run(name).output and "redis" not in run(name).output


def test_programs_get_json_with_all_digits() -> None:
    learn()
    told = json.loads(run("--json").output)
    assert told["where"].endswith("history")
    (entry,) = [each for each in told["entries"] if each["name"] == "numpy.sum"]
    assert (entry["kind"], entry["calls"], entry["mean_seconds"]) == ("function", 1000, 1e-5)
    (entry,) = json.loads(run("--json", "load").output)["entries"]
    assert entry["p90_seconds"] == pytest.approx(0.28)


def test_forgetting_says_what_it_did() -> None:
    learn()
    forgotten = run("--forget", "load")
    assert forgotten.output == "Forgot mine.load#0123456789ab (3 calls, timed).\n"
    assert "mine.load" not in run().output and "numpy.sum" in run().output
    assert run("--forget-all").output.startswith("Forgot everything in ")
    assert "None yet" in run().output
    assert json.loads(run("--json").output)["entries"] == []


def test_forgetting_a_function_forgets_what_its_outputs_take_to_be_pickled() -> None:
    learn()
    history = history_at(Settings.gather())
    history.record(Observations(packings=[Packing("numpy.sum", DOWNLOAD, 100.0, 0.25)]))
    history.close()
    assert re.search(r"^unpickled .*\nnumpy\.sum +1 +1 +250 ms", run().output, re.MULTILINE)
    forgotten = run("--forget", "sum").output
    assert "Forgot numpy.sum (1000 calls, timed).\n" in forgotten
    assert "Forgot numpy.sum (1 times unpickled).\n" in forgotten
    assert "numpy.sum" not in run().output


def test_a_store_has_its_own(link: Link, store_url: str) -> None:
    learn(store=store_url)
    assert "None yet" in run().output
    assert "mine.load" in run("--store", store_url).output
    assert run("--store", store_url, "--forget", "*").output.count("Forgot") == 3
    assert "redis upload" in run("--store", store_url).output
    assert run("--store", store_url, "--forget-all").exit_code == 0
    assert archive_of(Settings.gather(store=store_url)).load() == {}


def test_a_damaged_history_can_be_shown_by_nobody_and_forgotten_by_all(own_cache: Path) -> None:
    learn()
    own_cache.write_bytes(own_cache.read_bytes()[:-5])
    shown = run()
    assert shown.exit_code == 1
    assert "is damaged" in shown.output and "--forget-all" in shown.output
    assert "goes on" not in shown.output  # but ends
    assert run("--forget", "load").exit_code == 1
    assert run("--forget-all").exit_code == 0
    assert "None yet" in run().output


def test_where_forgetting_cannot_help_nobody_advises_it(own_cache: Path) -> None:
    own_cache.mkdir(parents=True)
    for arguments in ([], ["--forget-all"]):
        shown = run(*arguments)
        assert shown.exit_code == 1
        assert "is a folder" in shown.output and "Name another file" in shown.output
        assert "--forget-all" not in shown.output


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["loda"], 1, "No measured function is called 'loda'. Did you mean 'load'?"),
        (["--forget", "zzz"], 1, "No measured function is called 'zzz'."),
        (["--forget", "load", "--forget-all"], 2, "go with nothing but --store"),
        (["--forget-all", "--json"], 2, "go with nothing but --store"),
        (["--forget-all", "load"], 2, "go with nothing but --store"),
        (["--store", "nonsense"], 2, "'nonsense' has no scheme"),
        (["--store", "redis://u:secret@localhost:1"], 1, "redis://u:***@localhost:1"),
        (["--forgets"], 2, "No such option"),
    ],
)
def test_bad_input_gets_one_clear_line(arguments: list[str], status: int, told: str) -> None:
    learn()
    result = run(*arguments)
    assert result.exit_code == status
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ") and told in last
    assert "secret" not in result.output
    assert "mine.load" in run().output, "nothing was forgotten"


def test_what_a_script_has_turned_on_is_shown_also_where_settings_have_it_off() -> None:
    learn()
    with dask.config.set({"serverless.history": False}):
        assert "mine.load" in run().output


def test_numbers_read_well() -> None:
    assert [duration(x) for x in (0, 2.5e-7, 1e-6, 0.0123456, 0.99996, 1, 999.6, 5000)] == [
        "0 us", "0.25 us", "1 us", "12.3 ms", "1 s", "1 s", "1000 s", "5000 s",
    ]  # fmt: skip
    assert [ago(x) for x in (-5, 0, 59, 60, 7200, 1e6)] == [
        "now", "now", "59 s ago", "1 min ago", "2 h ago", "11 d ago",
    ]  # fmt: skip
    assert shortened("a" * 100).startswith("..a") and len(shortened("a" * 100)) < 29
