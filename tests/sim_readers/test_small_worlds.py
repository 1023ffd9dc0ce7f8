"""The small worlds of `readers emulate`: whoever probes such a reader hears tags, whenever that is."""

import pytest

from sim.readers.emulators import small_world, url_of


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("tags", [1, 3, 5, 50, 1000])
def test_every_loop_has_a_tag_in_reach_at_any_time(tags, seed):
    world = small_world("feig", seed, tags)
    began = world.true_time_ns()
    for port in world.ports[:tags]:
        for tenth in range(0, 200, 4):
            assert world.excess_db(port, began + tenth * 100_000_000).max() > 0, (port, tenth)


@pytest.mark.parametrize(
    ("protocol", "address", "url"),
    [
        ("m100", "/tmp/line", "m100:///tmp/line"),
        ("uhfreader288", "/tmp/line", "uhfreader18:///tmp/line"),
        ("chafon", "0.0.0.0:2022", "chafon://127.0.0.1:2022?unproven=1"),
        ("mercury", "::1:4001", "mercury://[::1]:4001?region=PRC"),
    ],
)
def test_the_url_is_the_one_that_opens_it(protocol, address, url):
    assert url_of(protocol, address) == url
