"""Ends a worker of gunicorn if all that it may answer at a time hangs, so that another worker takes its place.

gunicorn's threaded worker counts as alive as long as its main thread runs, and that only hands requests to the others.
Its asgi worker counts as alive as long as its event loop runs, and views that are not asynchronous run in threads.
uWSGI limits each request by itself, and so does gunicorn's worker with one thread.
"""

import faulthandler
import os
import sys
from threading import get_ident
from time import monotonic


class Watch:
    """What the worker's main thread does every second."""

    what = "requests"

    def __init__(self, worker, seconds, most, began):
        self.report_alive = worker.notify
        self.most = most
        self.seconds = seconds
        # By request, or by the thread that has it: when it was taken. Those whose response has started are left out.
        self.began = began

    def notify(self):
        """Report to the main process that this worker is alive, or end it."""
        self.report_alive()
        began = list(self.began.values())
        if len(began) >= self.most and monotonic() - max(began) > self.seconds:
            self.end()

    def end(self):
        """Write where each thread is, and exit. Nothing is lost: nobody waits for these requests any more."""
        print(
            f"All {self.most} {self.what} of this worker have hung for more than {self.seconds} s. Another worker "
            "takes its place; its threads are at:",
            file=sys.stderr,
            flush=True,
        )
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)


class Threads(Watch):
    """The same for a worker with threads, around its application."""

    what = "threads"

    def __init__(self, worker, seconds):
        super().__init__(worker, seconds, worker.cfg.threads, {})
        self.application = worker.wsgi

    def __call__(self, environ, start_response):
        """Answer as the application does; a response that has begun may take as long as its reader does."""
        thread = get_ident()
        self.began[thread] = monotonic()
        try:
            return self.application(environ, start_response)
        finally:
            del self.began[thread]


def watch(worker, seconds):
    """Watch a worker of gunicorn that answers several requests at a time. nginx has given up on one after that time."""
    if worker.cfg.worker_class_str == "gthread":
        found = Threads(worker, seconds)
        worker.wsgi, worker.notify = found, found.notify
    elif worker.cfg.worker_class_str == "asgi":
        worker.notify = Watch(worker, seconds, worker.cfg.worker_connections, worker.asgi.began).notify
