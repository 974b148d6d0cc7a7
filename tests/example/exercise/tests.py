"""The handles of the load tests answer what the load client relies on."""

import hashlib
import os
import time
from unittest import mock

from django.conf import settings
from django.test import SimpleTestCase, TestCase, override_settings
from django.urls import include, is_valid_path, path

urlpatterns = [path("exercise/", include("exercise.urls"))]


class OffByDefault(SimpleTestCase):
    """Without SHOP_EXERCISE=1 none of this exists."""

    def test_the_site_does_not_know_the_addresses(self) -> None:
        """The tests run without the variable."""
        assert not settings.EXERCISE
        assert not is_valid_path("/exercise/fast/")


@override_settings(ROOT_URLCONF="exercise.tests", RELEASE="2024-05-01")
class Exercise(TestCase):
    """Each answer names the release and the process, and what it did."""

    def test_fast(self) -> None:
        """Nothing but who answers, and no query."""
        with self.assertNumQueries(0):
            response = self.client.get("/exercise/fast/")
        assert response.json() == {"release": "2024-05-01", "pid": os.getpid()}
        assert response.headers["X-Release"] == "2024-05-01"

    def test_echo_reads_the_body_without_a_token_and_without_the_database(self) -> None:
        """A body above DATA_UPLOAD_MAX_MEMORY_SIZE (2.5 MB) is read as well."""
        body = b"8 kB or more" * 300_000
        with self.assertNumQueries(0):
            response = self.client.post("/exercise/echo/", body, content_type="application/octet-stream")
        assert response.json()["length"] == 3600000
        assert response.json()["sha256"] == hashlib.sha256(body).hexdigest()

    def test_seen_tells_what_has_come(self) -> None:
        """The body by its length, the headers by their names."""
        found = self.client.post("/exercise/seen/", b"12345", content_type="text/plain", headers={"X-One": "1"}).json()
        assert (found["host"], found["scheme"], found["path"]) == ("testserver", "http", "/exercise/seen/")
        assert found["length"] == 5
        assert found["headers"]["X-One"] == "1"

    def test_log_writes_numbers(self) -> None:
        """To each of the loggers."""
        with self.assertLogs("exercise", "INFO") as logs:
            assert self.client.get("/exercise/log/7/?lines=2&to=one,two").json()["lines"] == 2
        assert logs.output == [f"INFO:exercise.{name}:{number}" for number in (7, 8) for name in ("one", "two")]

    def test_wait_takes_the_time(self) -> None:
        """It really waits."""
        start = time.monotonic()
        assert self.client.get("/exercise/wait/?seconds=0.2").json()["seconds"] == 0.2
        assert time.monotonic() - start >= 0.2

    def test_hang_ends_for_nobody(self) -> None:
        """But after an hour, which is over at once here."""
        with mock.patch("time.sleep") as sleep:
            assert self.client.get("/exercise/hang/").json()["seconds"] == 3600
        sleep.assert_called_once_with(3600)

    def test_fail(self) -> None:
        """Nothing catches what they raise."""
        for address in ("fail", "fail-later"):
            with self.subTest(address), self.assertRaisesMessage(LookupError, "There are no wheels"):
                self.client.get(f"/exercise/{address}/")

    def test_cpu_takes_processor_time(self) -> None:
        """It works where wait sleeps."""
        start = time.thread_time()
        assert self.client.get("/exercise/cpu/?ms=50").status_code == 200
        assert time.thread_time() - start >= 0.05

    def test_memory_is_kept(self) -> None:
        """Two requests add up."""
        before = self.client.get("/exercise/memory/?mb=3").json()["held_mb"]
        assert self.client.get("/exercise/memory/?mb=2").json()["held_mb"] == before + 2

    def test_stream_sends_every_chunk(self) -> None:
        """1 KiB each."""
        response = self.client.get("/exercise/stream/?seconds=0.05&chunks=5")
        assert len(response.getvalue()) == 5 * 1024

    def test_headers_are_long(self) -> None:
        """1 kB each."""
        found = self.client.get("/exercise/headers/?kb=3").headers
        assert [len(found[name]) for name in found if name.startswith("X-Long-")] == [1000, 1000, 1000]

    def test_query_waits(self) -> None:
        """In the database where it can, and says in which."""
        start = time.monotonic()
        assert self.client.get("/exercise/query/?ms=100").json()["ms"] == 100
        assert time.monotonic() - start >= 0.1

    def test_work_computes_and_waits_by_turns(self) -> None:
        """All rounds are done whatever they are divided by, and the waits add up."""
        with mock.patch("exercise.views.PAGE") as page, mock.patch("exercise.views.pause") as pause:
            self.client.get("/exercise/request/?rounds=10&wait=30&queries=3")
            assert page.render.call_count == 10
            assert pause.call_args_list == [mock.call(0.01, in_database=True)] * 3
            self.client.get("/exercise/request/?rounds=7&wait=50")
            assert page.render.call_count == 17
            assert pause.call_args_list[3:] == [mock.call(0.05, in_database=False)]

    def test_work_without_a_wait_only_computes(self) -> None:
        """No query, no sleep."""
        with mock.patch("exercise.views.pause") as pause, self.assertNumQueries(0):
            assert self.client.get("/exercise/request/?rounds=2").json()["rounds"] == 2
        pause.assert_not_called()

    def test_what_is_no_number_is_a_bad_request(self) -> None:
        """Neither words nor negative or undefined numbers."""
        for seconds in ("soon", "-1", "nan"):
            with self.subTest(seconds):
                assert self.client.get(f"/exercise/wait/?seconds={seconds}").status_code == 400
