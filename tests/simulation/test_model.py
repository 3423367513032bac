"""A backend in numbers: units in texts, and values that no backend has."""

import math

import pytest
from worlds import graph

from dask_serverless.errors import ServerlessError, SettingsError
from dask_serverless.simulation.model import BackendModel
from planners.cost.platform import Platform, Prices
from planners.numbers.predictions import Constant, Line
from planners.numbers.workload import Workload


def test_times_and_rates_are_understood_with_their_units():
    model = BackendModel(
        store_rtt="2ms", cold_start="1.5s", cold_start_p95="3 s", upload="80MB", download="1 GB/s"
    )
    assert (model.store_rtt, model.cold_start, model.cold_start_p95) == (0.002, 1.5, 3.0)
    assert model.upload_line == Line(0.002, 1 / 80e6)  # a transfer is a round trip and its bytes
    assert model.download_line == Line(0.002, 1 / 1e9)
    assert hash(model) == hash(model)


def test_a_platform_and_a_workload_say_it_all():
    numbers = Constant(cold_start_seconds=2.0, bytes_per_second=5e6, transfer_latency_seconds=0.25)
    workload = Workload.predict(graph(()), numbers)
    platform = Platform(publish_seconds=0.5, warm=((512, 3), (1024, 4)), idle_seconds=9.0)
    model = BackendModel.of(platform, workload, 7, 1024)
    assert (model.containers, model.limit, model.warm, model.keep_alive) == (7, 7, 4, 9.0)
    assert (model.cold_start, model.store_rtt) == (2.0, 0.5)
    assert model.upload_line == Line(0.25, 1 / 5e6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("containers", 0),
        ("containers", 2.5),
        ("containers", "many"),
        ("containers", None),
        ("concurrency", 0),
        ("store_rtt", -1),
        ("store_rtt", "soon"),
        ("store_rtt", "5 parsecs"),
        ("store_rtt", math.nan),
        ("store_rtt", math.inf),
        ("store_rtt", True),
        ("store_rtt", [1]),
        ("cold_start", None),
        ("cold_start_p95", 0.1),  # below the median
        ("upload", 0),
        ("download", "fast"),
        ("warm", -1),
        ("seed", "x"),
        ("prices", 3),
        ("prices", {"gb_second": -1}),
        ("prices", {"gb_hour": 1}),
    ],
)
def test_a_value_that_no_backend_has_is_named(name, value):
    with pytest.raises(SettingsError, match=f"simulate.{name}=") as caught:
        BackendModel.of_keywords(**{name: value})
    assert isinstance(caught.value, ServerlessError)


@pytest.mark.parametrize(
    ("name", "value"),
    [("store_rtt", "-1ms"), ("cold_start", "- 2 s"), ("upload", "-1 MB/s"), ("keep_alive", -1)],
)
def test_a_value_below_zero_is_told_that_it_is(name, value):
    with pytest.raises(SettingsError, match=r"and at least 0\."):
        BackendModel.of_keywords(**{name: value})


def test_prices_are_read_as_the_setting_has_them():
    assert BackendModel(prices={"gb-second": 3}).prices == Prices(gb_second=3.0)


def test_a_keyword_that_does_not_exist_is_told_with_what_was_meant():
    with pytest.raises(TypeError, match="no keyword 'store_rrt'; did you mean 'store_rtt'"):
        BackendModel.of_keywords(store_rrt="1ms")
