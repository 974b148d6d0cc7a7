"""Each view costs one resource; each answer is JSON that names the release and the process.

None of them writes to the database, so that load on them measures the server and not a lock.
"""

import asyncio
import hashlib
import json
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Iterator

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.template import Context, Engine
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

MAX_SECONDS = 30.0
MAX_HANG_SECONDS = 3600.0
MAX_MEGABYTES = 4096.0
MAX_KILOBYTES = 100.0
MAX_CHUNKS = 10_000.0
MAX_ROUNDS = 100_000.0
MAX_QUERIES = 100.0
MAX_LINES = 100_000.0
CHUNK = b"." * 1023 + b"\n"

# One round of work: a small page, so that it computes as pages do, with many objects that come and go.
PAGE = Engine().from_string(
    "{% for row in rows %}<li>{{ row.name|upper }}: {{ row.price|floatformat:2 }}</li>{% endfor %}"
)
ROWS = [{"name": f"item {number}", "price": number * 1.37} for number in range(6)]

# What /exercise/memory/ took, kept for the life of the process.
_held: list[bytearray] = []


def answer(**details: object) -> JsonResponse:
    """Answer with the release, the process and the details."""
    return JsonResponse({"release": settings.RELEASE, "pid": os.getpid(), **details})


def asked(request: HttpRequest, name: str, most: float, default: float = 0) -> float:
    """Return a number of the query string, at most `most`; anything but a number from 0 up is refused."""
    text = request.GET.get(name, "") or default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise BadRequest(f"{name}={text!r} is not a number from 0 up.")
    return min(value, most)


@require_GET
def fast(request: HttpRequest) -> HttpResponseBase:
    """Answer at once."""
    return answer()


@require_GET
def wait(request: HttpRequest) -> HttpResponseBase:
    """Hold a thread for `seconds` without working."""
    seconds = asked(request, "seconds", MAX_SECONDS)
    time.sleep(seconds)
    return answer(seconds=seconds)


@require_GET
def hang(request: HttpRequest) -> HttpResponseBase:
    """Hold a thread as a call without a time limit does whose other side has gone: longer than anybody waits."""
    time.sleep(MAX_HANG_SECONDS)
    return answer(seconds=MAX_HANG_SECONDS)


@require_GET
def fail(request: HttpRequest) -> HttpResponseBase:
    """Fail as a view with a mistake in it does."""
    raise LookupError("There are no wheels.")


async def fail_later(request: HttpRequest) -> HttpResponseBase:
    """Fail likewise in a view that is asynchronous."""
    raise LookupError("There are no wheels to wait for.")


@csrf_exempt
def seen(request: HttpRequest) -> HttpResponseBase:
    """Tell what of the request has come to Django: whose it is, how it came, and every header."""
    return answer(
        host=request.get_host(),
        scheme=request.scheme,
        path=request.path,
        length=len(request.body),
        headers=dict(request.headers),
    )


@csrf_exempt
@require_POST
def echo(request: HttpRequest) -> HttpResponseBase:
    """Read the whole body, of any length, and prove it by its digest."""
    digest, length = hashlib.sha256(), 0
    while part := request.read(65_536):
        digest.update(part)
        length += len(part)
    return answer(sha256=digest.hexdigest(), length=length)


@require_GET
def memory(request: HttpRequest) -> HttpResponseBase:
    """Take `mb` more megabytes and keep them until the process ends."""
    megabytes = asked(request, "mb", MAX_MEGABYTES)
    # Not bytearray(n): pages of zeros count for nothing until they are written.
    _held.append(bytearray(b"x") * int(megabytes * 1_000_000))
    return answer(held_mb=sum(map(len, _held)) / 1_000_000)


@require_GET
def stream(request: HttpRequest) -> HttpResponseBase:
    """Send `chunks` pieces of 1 KiB, spread evenly over `seconds`."""
    seconds = asked(request, "seconds", MAX_SECONDS)
    chunks = int(asked(request, "chunks", MAX_CHUNKS, default=10))

    def pieces() -> Iterator[bytes]:
        for _ in range(chunks):
            time.sleep(seconds / chunks)
            yield CHUNK

    return StreamingHttpResponse(pieces(), content_type="application/octet-stream")


async def later(request: HttpRequest) -> HttpResponseBase:
    """Wait for `seconds` in a view that is asynchronous: it holds no thread."""
    seconds = asked(request, "seconds", MAX_SECONDS)
    await asyncio.sleep(seconds)
    return answer(seconds=seconds)


async def events(request: HttpRequest) -> HttpResponseBase:
    """Send an event every `seconds`, for as long as the connection lasts."""
    seconds = asked(request, "seconds", MAX_SECONDS, default=1)

    async def numbered() -> AsyncIterator[str]:
        for number in range(int(MAX_LINES)):
            yield f"data: {json.dumps({'release': settings.RELEASE, 'pid': os.getpid(), 'number': number})}\n\n"
            await asyncio.sleep(seconds)

    return StreamingHttpResponse(numbered(), content_type="text/event-stream")


@require_GET
def headers(request: HttpRequest) -> HttpResponseBase:
    """Answer with `kb` headers of 1 kB each, as many cookies and a long policy are."""
    count = int(asked(request, "kb", MAX_KILOBYTES))
    response = answer(kb=count)
    for number in range(count):
        response.headers[f"X-Long-{number:02}"] = 1000 * "x"
    return response


@require_GET
def log(request: HttpRequest, first: int) -> HttpResponseBase:
    """Log `lines` numbers from the first one on, each to all loggers below this package's that `to` names."""
    lines = int(asked(request, "lines", MAX_LINES, default=1))
    loggers = [logging.getLogger(f"exercise.{name}") for name in request.GET.get("to", "journal").split(",")]
    for number in range(first, first + lines):
        for logger in loggers:
            logger.info("%d", number)
    return answer(lines=lines)


@require_GET
def cpu(request: HttpRequest) -> HttpResponseBase:
    """Use `ms` milliseconds of processor time, however long that takes."""
    milliseconds = asked(request, "ms", MAX_SECONDS * 1000)
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        sum(range(1000))
    return answer(ms=milliseconds)


@require_GET
def query(request: HttpRequest) -> HttpResponseBase:
    """Hold a thread, and on PostgreSQL a database connection at work, for `ms` milliseconds."""
    milliseconds = asked(request, "ms", MAX_SECONDS * 1000)
    pause(milliseconds / 1000, in_database=True)
    return answer(ms=milliseconds, database=connection.vendor)


@require_GET
def work(request: HttpRequest) -> HttpResponseBase:
    """Compute and wait by turns, as a page does between its queries; the same `rounds` are the same work anywhere.

    `wait` milliseconds are divided among `queries` of the database, or are one wait for something else.
    """
    rounds = int(asked(request, "rounds", MAX_ROUNDS))
    milliseconds = asked(request, "wait", MAX_SECONDS * 1000)
    queries = int(asked(request, "queries", MAX_QUERIES))
    waits = queries or (1 if milliseconds else 0)
    for turn in range(waits + 1):
        for _ in range(rounds * turn // (waits + 1), rounds * (turn + 1) // (waits + 1)):
            PAGE.render(Context({"rows": ROWS}))
        if turn < waits:
            pause(milliseconds / waits / 1000, in_database=queries > 0)
    return answer(rounds=rounds, wait=milliseconds, queries=queries)


def pause(seconds: float, in_database: bool) -> None:
    """Wait in a query where the database can, otherwise beside it."""
    if in_database and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds])
    else:
        time.sleep(seconds)
