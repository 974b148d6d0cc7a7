"""What each request costs, counted in files that an exporter reads: it never waits for a worker, nor a worker for it.

prometheus_client keeps a set of files for each process in the slot's runtime directory, which systemd removes with the
slot. A worker's files have its ordinal in their names instead of its pid, so that the next worker with that ordinal
counts on where the one before it stopped, and nothing grows with the number of workers that ever ran. 0 is the main
process.

Nothing here may harm a request: whatever fails is written to the journal once, and the request goes on.
"""

import json
import os
import sys
import traceback
from glob import glob
from itertools import count
from os import getpid
from time import perf_counter, thread_time, time
from urllib.parse import quote

# The first version whose files have a time for each value.
OLDEST = (0, 17)
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"

DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WAITS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Each route has about twenty series per process.
MOST_ROUTES = 100
LONGEST_ROUTE = 200
OTHER = "(other)"
UNMATCHED = "(unmatched)"
CLASSES = {digit: digit + "xx" for digit in "12345"}
# Longer than that, it is not a wait but a clock that was set.
LONGEST_WAIT = 3600

# Where a request is kept for the view middleware that learns its route.
REQUEST = "pitcrew.request"
OURS = {"x-pitcrew-route", "x-pitcrew-queue"}
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")

troubles = []


def say(text):
    """Write a line to the journal."""
    print("site_metrics: " + text, file=sys.stderr, flush=True)


def trouble():
    """Write the exception that is being handled to the journal, if it is the first one."""
    if not troubles:
        troubles.append(sys.exc_info()[1])
        say("requests are answered, but not all of them are counted:\n" + traceback.format_exc())


# Which process this is


class Process:
    """Where a process counts: under 0 in the main process, its ordinal in a worker, and p with the pid in any other.

    prometheus_client asks at each change of a value, and opens the files of the new name once that differs.
    """

    def __init__(self, directory):
        self.directory = directory
        self.pid = self.name = None
        self.is_called(uwsgi_name() or "0")

    def __call__(self):
        """Return the name of this process."""
        if self.pid != getpid():
            self.is_called(uwsgi_name())
        return self.name

    def is_called(self, name):
        """Give this process its name. Whatever was in flight in the one that had it before is not any more."""
        known, self.pid = (self.name, self.pid), getpid()
        self.name = name or f"p{self.pid}"
        if not self.is_worker or (self.name, self.pid) == known:
            return
        try:
            self.forget()
            path = self.pid_file()
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(f"{self.pid}\n")
            os.replace(path + ".new", path)
        except OSError:
            trouble()

    @property
    def is_worker(self):
        """Whether this process answers requests."""
        return self.name.isdigit() and self.name != "0"

    def pid_file(self, name=None):
        """Return the file that names the process of a worker."""
        return os.path.join(self.directory, f"worker-{name or self.name}.pid")

    def forget(self, name=None):
        """Remove the values that are true of a living process only."""
        for path in glob(os.path.join(self.directory, f"gauge_live*_{name or self.name}.db")):
            os.unlink(path)


def uwsgi_name():
    """Return the name of a worker or a mule of uWSGI; empty under gunicorn, and in any other process."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None or os.getppid() != uwsgi.masterpid():
        return ""
    if uwsgi.worker_id():
        return str(uwsgi.worker_id())
    return f"mule{uwsgi.mule_id()}" if uwsgi.mule_id() else ""


def free_ordinal(workers):
    """Return the lowest ordinal that none of gunicorn's workers has."""
    taken = {getattr(worker, "pitcrew_ordinal", 0) for worker in workers}
    return next(number for number in count(1) if number not in taken)


# What is counted


class Metrics:
    """The values of this process, in a registry of their own: a project's pages of metrics stay what they are."""

    def __init__(self, process):
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        own = {"registry": CollectorRegistry()}
        self.process = process
        self.durations = Histogram(
            "pitcrew_request_duration_seconds",
            "Time from the first line of the application to the end of the response.",
            ["route", "status"],
            buckets=DURATIONS,
            **own,
        )
        self.cpu = Counter(
            "pitcrew_request_cpu_seconds", "CPU time of the thread that answered the request.", ["route"], **own
        )
        self.queue = Histogram(
            "pitcrew_request_queue_seconds",
            "Time from nginx taking the request to a thread taking it.",
            buckets=WAITS,
            **own,
        )
        self.in_progress = Gauge(
            "pitcrew_requests_in_progress",
            "Requests that a thread is answering now.",
            multiprocess_mode="livesum",
            **own,
        )
        self.starts = Counter("pitcrew_worker_starts", "Workers that were started, recycled ones among them.", **own)
        self.routes = set()
        self.series = {}
        self.texts = {None: UNMATCHED}
        self.begun = None

    def begin(self, name=None):
        """Begin to count in a process that was forked; gunicorn names it, and uWSGI knows its own."""
        self.process.is_called(name or uwsgi_name())
        self.begun = self.process.pid
        # What the files have already does not make them grow.
        self.routes = self.routes_on_file()
        self.series = {}
        if self.process.is_worker:
            self.starts.inc()

    def routes_on_file(self):
        """Return the routes that earlier workers of this ordinal have counted."""
        from prometheus_client.mmap_dict import MmapedDict

        path = os.path.join(self.process.directory, f"histogram_{self.process.name}.db")
        if not os.path.exists(path):
            return set()
        ours = [
            json.loads(entry[0])[2]["route"]
            for entry in MmapedDict.read_all_values_from_file(path)
            if entry[0].startswith('["pitcrew_request_duration_seconds", "pitcrew_request_duration_seconds_sum"')
        ]
        return {route for route in ours if route not in (OTHER, UNMATCHED)}

    def text(self, route):
        """Return a route as header and label: an address as a URL pattern, in ASCII."""
        text = self.texts.get(route)
        if text is None:
            text = quote("/" + route, safe=PRINTABLE)[:LONGEST_ROUTE]
            # Not with half of a percent-encoded byte.
            text = text[:-2] + text[-2:].partition("%")[0]
            self.texts[route] = text
        return text

    def count(self, route, status, seconds, cpu_seconds):
        """Count a request that has been answered; without its CPU time if that is not known."""
        series = self.series.get((route, status))
        if series is None:
            label = self.text(route)
            if label not in self.routes and route is not None:
                if len(self.routes) < MOST_ROUTES:
                    self.routes.add(label)
                else:
                    label = OTHER
            use = None if cpu_seconds is None else self.cpu.labels(label).inc
            series = self.durations.labels(label, status).observe, use
            self.series[route, status] = series
        observe, use = series
        observe(seconds)
        if use:
            use(cpu_seconds)


class Request:
    """A request that is being answered."""

    __slots__ = ("began", "cpu", "metrics", "queue", "route", "status")

    def __init__(self, metrics, cpu=None):
        self.metrics = metrics
        # A request that never starts a response ends in the server's page for errors.
        self.status = "5xx"
        self.route = self.queue = None
        self.began = perf_counter()
        self.cpu = cpu

    def waited(self, began):
        """Note how long the request waited since nginx took it, by the clock of one host."""
        try:
            waited = time() - float(began[2:])
        except ValueError:
            return
        if -1 < waited < LONGEST_WAIT:
            self.queue = max(waited, 0.0)
            self.metrics.queue.observe(self.queue)

    def own_headers(self):
        """Return what nginx's log is told of the request, as names and values."""
        headers = [("X-Pitcrew-Route", self.metrics.text(self.route))]
        if self.queue is not None:
            headers.append(("X-Pitcrew-Queue", f"{self.queue:.4f}"))
        return headers

    def end(self):
        """Count the request, once."""
        if self.began is None:
            return
        began, self.began = self.began, None
        try:
            self.metrics.in_progress.dec()
            # A response that another thread ends would have used less than nothing.
            used = None if self.cpu is None else max(thread_time() - self.cpu, 0.0)
            self.metrics.count(self.route, self.status, perf_counter() - began, used)
        except Exception:
            trouble()


class Response(Request):
    """A request to a WSGI application, and the response as the server iterates over it."""

    __slots__ = ("answer", "next", "start_response")

    def __init__(self, metrics, start_response):
        super().__init__(metrics, thread_time())
        self.start_response = start_response

    def start(self, status, headers, exc_info=None):
        """Start the response, with headers for nginx's log."""
        try:
            headers = [header for header in headers if header[0].lower() not in OURS]
            headers += self.own_headers()
        except Exception:
            trouble()
        write = self.start_response(status, headers, exc_info)
        self.status = CLASSES.get(status[:1], "5xx")
        return write

    def __iter__(self):
        """Iterate as the server does, at its pace."""
        self.next = iter(self.answer).__next__
        return self

    def __next__(self):
        """Give the next part, unchanged."""
        try:
            return self.next()
        except StopIteration:
            raise
        except Exception:
            self.status = "5xx"
            raise

    def close(self):
        """End the response, which may have to be closed."""
        try:
            if hasattr(self.answer, "close"):
                self.answer.close()
        finally:
            self.end()


def measured(application, interface="wsgi"):
    """Return an application that counts each request and changes no response."""
    if metrics is None:
        return application
    return measured_asgi(application) if interface == "asgi" else measured_wsgi(application)


def measured_wsgi(application):
    """Return a WSGI application that counts each request."""

    def measure(environ, start_response):
        try:
            if metrics.begun != getpid():
                metrics.begin()
            metrics.in_progress.inc()
            request = Response(metrics, start_response)
            environ[REQUEST] = request
            began = environ.get("HTTP_X_REQUEST_START")
            if began:
                request.waited(began)
        except Exception:
            trouble()
            return application(environ, start_response)
        try:
            answer = application(environ, request.start)
        except BaseException:
            request.status = "5xx"
            request.end()
            raise
        # These have no end to wait for; and a server sends only the very file that it has wrapped with sendfile.
        if isinstance(answer, (list, tuple, bytes)) or is_file(answer, environ.get("wsgi.file_wrapper")):
            request.end()
            return answer
        request.answer = answer
        return request

    return measure


def measured_asgi(application):
    """Return an ASGI application that counts each HTTP request.

    Requests take turns in one thread, and views that are not asynchronous have threads of their own: nobody knows the
    CPU time of one request. Of a stream of events, the time to its beginning counts.
    """
    from site_application import is_stream_of_events

    async def measure(scope, receive, send):
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        try:
            if metrics.begun != getpid():
                metrics.begin()
            metrics.in_progress.inc()
            request = Request(metrics)
            scope = {**scope, REQUEST: request}
            began = dict(scope["headers"]).get(b"x-request-start")
            if began:
                request.waited(began.decode("latin-1"))
        except Exception:
            trouble()
            await application(scope, receive, send)
            return

        async def answer(message):
            if message["type"] == "http.response.start":
                message = with_own_headers(message, request)
                if is_stream_of_events(message.get("headers") or ()):
                    request.end()
            await send(message)

        try:
            await application(scope, receive, answer)
        except BaseException:
            request.status = "5xx"
            raise
        finally:
            request.end()

    return measure


def with_own_headers(message, request):
    """Note the status of an ASGI response, and return its start with headers for nginx's log."""
    try:
        headers = [
            (name, value)
            for name, value in message.get("headers") or ()
            if bytes(name).decode("latin-1").lower() not in OURS
        ]
        headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in request.own_headers()]
        request.status = CLASSES.get(str(message["status"])[:1], "5xx")
        return {**message, "headers": headers}
    except Exception:
        trouble()
        return message


def is_file(answer, wrapper):
    """Return whether the answer comes from the server's file wrapper: gunicorn's is a class, uWSGI's a function.

    The function returns the file itself.
    """
    if isinstance(wrapper, type):
        return isinstance(answer, wrapper)
    return wrapper is not None and hasattr(answer, "read")


# Which route a request has


def learn_routes(interface="wsgi"):
    """From now on, learn the URL pattern of each request from Django's handler, ahead of the project's middleware."""
    if metrics is None:
        return
    try:
        if interface == "asgi":
            from django.core.handlers.asgi import ASGIHandler as Handler
        else:
            from django.core.handlers.wsgi import WSGIHandler as Handler
    except ImportError:  # Whatever the reason, loading the project will report it.
        return
    load = Handler.load_middleware

    def load_middleware(self, *arguments, **named):
        load(self, *arguments, **named)
        try:
            self._view_middleware.insert(0, note_route_later if interface == "asgi" else note_route)
        except Exception:
            trouble()

    Handler.load_middleware = load_middleware


def note_route(request, *_view):
    """Note the route of a request, as a middleware that sees it between the URL and the view."""
    try:
        watched = (request.scope if hasattr(request, "scope") else request.environ).get(REQUEST)
        if watched is not None:
            match = request.resolver_match
            # Django 2.2 was the first with routes.
            route = getattr(match, "route", None)
            watched.route = match.view_name if route is None else route
    except Exception:
        trouble()


async def note_route_later(request, *view):
    """Do so in the handler of ASGI, which awaits its middleware."""
    note_route(request, *view)


# How it begins and ends


def start(directory):
    """Have prometheus_client count in files; return what is counted, or None if that cannot be."""
    try:
        from importlib.metadata import version

        import prometheus_client.values

        found = version("prometheus_client")
    except ImportError as error:
        say(f"off, since prometheus_client cannot be imported: {error}")
        return None
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        say(f"off, since this release has prometheus_client {found}, and 0.17 is the oldest that can")
        return None
    os.makedirs(directory, mode=0o750, exist_ok=True)
    os.environ[DIRECTORY] = directory
    process = Process(directory)
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(process)
    return Metrics(process)


def stay():
    """Undo what a project does if it chooses a directory itself: its pages read the same variable as the exporter."""
    if metrics is not None and os.environ.get(DIRECTORY) != metrics.process.directory:
        say(f"the project sets {DIRECTORY} to {os.environ.get(DIRECTORY)!r}, which has no effect")
        os.environ[DIRECTORY] = metrics.process.directory


def worker_begins(name=None):
    """Begin to count in a worker."""
    try:
        if metrics is not None:
            metrics.begin(name and str(name))
    except Exception:
        trouble()


def worker_ended(name):
    """Forget what was in flight in a worker of gunicorn's that has ended."""
    try:
        if metrics is not None:
            metrics.process.forget(str(name))
            os.unlink(metrics.process.pid_file(str(name)))
    except FileNotFoundError:
        pass
    except Exception:
        trouble()


def follow_uwsgi():
    """Have uWSGI's workers begin to count when they are forked; or now, in one that loads the application itself."""
    import uwsgi

    if uwsgi.worker_id():
        worker_begins()
        return
    others = getattr(uwsgi, "post_fork_hook", None)

    def post_fork():
        worker_begins()
        if others is not None:
            others()

    uwsgi.post_fork_hook = post_fork


try:
    metrics = start(os.path.join(os.environ["RUNTIME_DIRECTORY"], "metrics"))
except Exception:
    trouble()
    metrics = None
