"""Ends a threaded worker of gunicorn if all of its threads hang, so that another worker takes its place.

gunicorn's threaded worker counts as alive as long as its main thread runs, and that only hands requests to the others.
uWSGI limits each request by itself, and so does gunicorn's worker with one thread.
"""

import faulthandler
import os
import sys
from threading import get_ident
from time import monotonic


class Watch:
    """The worker's application, and what its main thread does every second."""

    def __init__(self, worker, seconds):
        self.application = worker.wsgi
        self.report_alive = worker.notify
        self.threads = worker.cfg.threads
        self.seconds = seconds
        # By thread: when it took the request for which it has not started the response yet.
        self.began = {}

    def __call__(self, environ, start_response):
        """Answer as the application does; a response that has begun may take as long as its reader does."""
        thread = get_ident()
        self.began[thread] = monotonic()
        try:
            return self.application(environ, start_response)
        finally:
            del self.began[thread]

    def notify(self):
        """Report to the main process that this worker is alive, or end it."""
        self.report_alive()
        began = list(self.began.values())
        if len(began) >= self.threads and monotonic() - max(began) > self.seconds:
            self.end()

    def end(self):
        """Write where each thread is, and exit. Nothing is lost: nobody waits for these requests any more."""
        print(
            f"All {self.threads} threads of this worker have hung for more than {self.seconds} s. Another worker takes "
            "its place; they are at:",
            file=sys.stderr,
            flush=True,
        )
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)


def watch(worker, seconds):
    """Watch a worker of gunicorn that has more than one thread. After that time, nginx has given up on a request."""
    if worker.cfg.worker_class_str == "gthread":
        found = Watch(worker, seconds)
        worker.wsgi, worker.notify = found, found.notify
