"""Prose that fits a terminal, columns that stay columns, and refusals that begin with their cause."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.text import WIDTH, Refusal, table, wrapped

PROSE = "shop@blue.service ended again and again, and systemd has given it up (start-limit-hit): find the cause"
ADDRESS = "https://packages.example.com/a/very/long/path/that/no/terminal/of/eighty/columns/has/the/room/for/simple"


def test_prose_is_folded_between_words() -> None:
    assert wrapped(PROSE, "! web1: ", "  ").split("\n") == [
        "! web1: shop@blue.service ended again and again, and systemd has given it up",
        "  (start-limit-hit): find the cause",
    ]


def test_a_number_stays_with_its_unit() -> None:
    folded = wrapped("The answers of this site, of which there are so many, came within no more than 310 ms of 4 x 2.")
    assert folded.split("\n")[1] == "310 ms of 4 x 2."


def test_what_is_to_be_copied_stays_whole() -> None:
    assert ADDRESS in wrapped(f"site_package_index: {ADDRESS} is not an index").split("\n")


def test_columns() -> None:
    assert table([("host", "live"), ("web1", "blue"), ("web10", "")]) == ["host   live", "web1   blue", "web10"]


def test_a_host_with_a_long_name_has_a_line_of_its_own() -> None:
    name = "ip-10-0-3-17.eu-central-1.compute.internal"
    assert table([("host", "release", "by"), (name, "3f2a9c1d04ab-1f3e2c", "anna on a laptop with a name")]) == [
        "host",
        "  release              by",
        name,
        "  3f2a9c1d04ab-1f3e2c  anna on a laptop with a name",
    ]


def test_no_row_is_wider_than_a_terminal() -> None:
    assert max(map(len, table([("host", "by"), ("web1", "anna on " + "laptop" * 20)]))) == WIDTH


TRACEBACK = (
    f'Traceback (most recent call last):\n  File "/srv/shop/live/release/app/{"shop/" * 20}urls.py"\n\nKeyError: 1'
)
REFUSED = (
    "Release r2 is refused, release r1 keeps serving: KeyError: 1. Set site_environment to what it needs, and deploy"
)


def test_a_refusal_is_sentences_and_then_output() -> None:
    refusal = Refusal.of(f"{REFUSED}.\n\n{TRACEBACK}\n")
    assert refusal == Refusal(f"{REFUSED}.", TRACEBACK)
    assert refusal.headline == "Release r2 is refused, release r1 keeps serving: KeyError: 1."
    assert refusal.laid_out("web1") == (
        "web1: Release r2 is refused, release r1 keeps serving: KeyError: 1. Set\n"
        f"site_environment to what it needs, and deploy.\n\n{TRACEBACK}"
    )


def test_each_complaint_has_its_line() -> None:
    refusal = Refusal(
        "3 variables are wrong:\nsite_workers: 0 is not positive\n  site_domains: [] names no host; " + PROSE
    )
    assert refusal.headline == "3 variables are wrong"
    assert refusal.laid_out("web1").split("\n") == [
        "web1: 3 variables are wrong:",
        "site_workers: 0 is not positive",
        "  site_domains: [] names no host; shop@blue.service ended again and again, and",
        "    systemd has given it up (start-limit-hit): find the cause",
    ]


def test_complaints_below_a_heading() -> None:
    refusal = Refusal("site_workers: 0 is not positive\nsite_domains: [] names no host; " + PROSE)
    assert refusal.laid_out("web1", "2 variables are not valid").split("\n") == [
        "web1: 2 variables are not valid:",
        "site_workers: 0 is not positive",
        "site_domains: [] names no host; shop@blue.service ended again and again, and",
        "  systemd has given it up (start-limit-hit): find the cause",
    ]


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("site_release: 'r9' is not on this host; choose v1.2 or r1", "site_release: 'r9' is not on this host"),
        ("It failed: no space left on v1.2.", "It failed: no space left on v1.2."),
    ],
)
def test_the_headline_is_the_cause(text: str, headline: str) -> None:
    assert Refusal.of(text).headline == headline
