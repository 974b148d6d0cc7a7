"""What the tests of this scenario share."""

from __future__ import annotations

import pytest
from prometheus import Prometheus, soon
from testinfra.host import Host
from watched import Site


@pytest.fixture(scope="module")
def site(host: Host) -> Site:
    """The site, with every exporter read at least once."""
    prometheus = Prometheus(host)
    assert soon(lambda: prometheus.query('pitcrew_slot_live{site="shop"} == 1'))
    return Site(host, prometheus)
