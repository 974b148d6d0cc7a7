"""A job is queued once; each time that a worker takes it, there is a run of it."""

from django.db import models


class Job(models.Model):
    """A task in the queue of a product."""

    batch = models.CharField(max_length=40, db_index=True)
    product = models.CharField(max_length=20)
    seconds = models.FloatField()
    queued = models.DateTimeField(auto_now_add=True)
    # By the command that takes jobs from this table.
    taken = models.BooleanField(default=False)
    # It does not end before it is let go.
    held = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.batch} {self.pk}: {self.product}, {self.seconds:.1f} s"


class Run(models.Model):
    """A task under way, or ended; what it knows of its code is written down at its beginning and at its end."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="runs")
    release = models.CharField(max_length=100)
    code_began = models.CharField(max_length=64)
    code_ended = models.CharField(max_length=64, blank=True)
    unit = models.CharField(max_length=100)
    pid = models.IntegerField()
    began = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.job} by {self.release} in {self.unit}"


class Tick(models.Model):
    """Something that is due by a calendar was sent or run at a time."""

    source = models.CharField(max_length=40)
    sent = models.DateTimeField()
    release = models.CharField(max_length=100)
    unit = models.CharField(max_length=100)

    def __str__(self) -> str:
        return f"{self.source} at {self.sent}"
