"""The same task for each product, and what beat sends."""

import time
from typing import Any

import django_rq
from celery import Task, shared_task
from celery.signals import before_task_publish
from django_tasks import task
from huey.contrib.djhuey import db_task
from rq import Retry

from runs import work

__all__ = ["PRODUCTS", "enqueue"]


@shared_task
def by_celery(job: int) -> None:
    """Run a job in a worker of Celery."""
    work.run(job)


# Without retries, a job whose worker was killed is in the registry of failed jobs.
@django_rq.job("default", retry=Retry(max=3))
def by_rq(job: int) -> None:
    """Run a job in a worker of RQ."""
    work.run(job)


@db_task()
def by_huey(job: int) -> None:
    """Run a job in Huey's consumer."""
    work.run(job)


@task()
def by_django_tasks(job: int) -> None:
    """Run a job in a worker of django-tasks-db."""
    work.run(job)


PRODUCTS = {
    "celery": by_celery.delay,
    "rq": by_rq.delay,
    "huey": by_huey,
    "django_tasks": by_django_tasks.enqueue,
    # The command `take` finds it in the table of jobs.
    "command": lambda job: None,
}


def enqueue(product: str, job: int) -> None:
    """Hand a job over to a product."""
    PRODUCTS[product](job)


@shared_task(bind=True)
def ticked(self: Task, source: str) -> None:
    """Write down when beat has sent this."""
    work.tick(source, self.request.headers["sent"])


@before_task_publish.connect(sender="runs.tasks.ticked")
def note_time(headers: dict[str, Any], **_rest: object) -> None:
    """Let a task know when it was sent."""
    headers["sent"] = time.time()
