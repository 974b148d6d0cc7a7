# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of an access log as nginx writes it, for a shop: pages, static files, robots, and some errors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

__all__ = ["KEYS", "line", "lines"]

KEYS = (
    *("time", "request_id", "remote_addr", "method", "scheme", "host", "path", "protocol", "status", "bytes"),
    *("request_length", "request_time", "upstream", "upstream_status", "upstream_connect_time", "upstream_header_time"),
    *("upstream_response_time", "queue", "route", "release", "tls", "referer", "user_agent"),
)
RELEASE = "3f2a9c1d04ab-1f3e2c"
ROUTES = [
    *("", "shop/%3Cslug:slug%3E/", "api/products/%3Cint:pk%3E/", "cart/", "checkout/", "search/"),
    *(f"pages/{number}/" for number in range(50)),
]
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)


def line(**values: object) -> bytes:
    """One line with these values; the rest is that of a page of the shop."""
    usual: dict[str, object] = {
        **dict.fromkeys(KEYS, ""),
        **{"time": 1764500000.025, "request_id": "a6cecc1b78e510617311d8a3c2ce6f44", "remote_addr": "203.0.113.194"},
        **{
            "method": "GET",
            "scheme": "https",
            "host": "shop.example.com",
            "path": "/shop/wheel/",
            "protocol": "HTTP/2.0",
        },
        **{"status": 200, "bytes": 9000, "request_length": 500, "request_time": 0.040, "tls": "TLSv1.3"},
        **{"upstream": "unix:/srv/shop/live/http.sock", "upstream_status": "200", "queue": "0.0010"},
        **{"route": "shop/%3Cslug:slug%3E/", "release": RELEASE, "user_agent": AGENTS[0]},
    }
    fields = []
    for name, value in {**usual, **values}.items():
        text = f"{value:.3f}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
        fields.append(f'"{name}":{text}')
    return ("{" + ",".join(fields) + "}").encode("utf-8", "surrogateescape")


def lines(count: int, start: float, seconds: float, seed: int = 1) -> Iterator[bytes]:
    """Lines over a time, in their order, most of them about few pages."""
    rng = random.Random(seed)
    for number in range(count):
        at = start + seconds * number / count
        common = {
            "time": at,
            "request_id": f"{rng.getrandbits(128):032x}",
            "remote_addr": f"203.0.113.{rng.randrange(256)}",
            "bytes": int(rng.lognormvariate(9, 1)),
            "user_agent": rng.choice(AGENTS),
        }
        if rng.random() < 0.3:
            yield line(
                **common,
                **{"path": f"/static/app.{rng.randrange(200):012x}.css", "request_time": 0.0, "queue": "", "route": ""},
                **{"upstream": "", "upstream_status": "", "release": ""},
            )
            continue
        place = min(int(rng.paretovariate(0.6)), len(ROUTES)) - 1
        status = rng.choices([200, 302, 404, 500, 502], [9500, 300, 190, 8, 2])[0]
        took, waited = rng.lognormvariate(-3.2, 0.8), rng.lognormvariate(-7, 1.5)
        path = f"/{ROUTES[place].partition('/')[0]}/item-{int(rng.paretovariate(0.5))}/"
        if status == 404:
            path = f"/wp-{rng.randrange(10**6)}.php"
        yield line(
            **common,
            **{"path": path, "status": status, "request_time": took + waited, "queue": f"{waited:.4f}"},
            **{"upstream_status": str(status), "upstream_connect_time": "0.000", "upstream_header_time": f"{took:.3f}"},
            **{"upstream_response_time": f"{took:.3f}", "route": "(unmatched)" if status == 404 else ROUTES[place]},
            release="" if status == 502 else RELEASE,
        )
