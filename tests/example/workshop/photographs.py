"""Rules for pictures from outside; the form and Pillow have already made sure that it is a picture."""

import uuid
from pathlib import PurePosixPath

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models import Model

MAX_BYTES = 5_000_000


def at_most_five_megabytes(photograph: File) -> None:
    """Refuse a larger file."""
    if photograph.size > MAX_BYTES:
        raise ValidationError("This picture is larger than 5 MB.")


def enquiry_photograph(enquiry: Model, filename: str) -> str:
    """Return a path below MEDIA_ROOT that nobody can guess from the visitor's file name."""
    return f"enquiries/{uuid.uuid4()}{PurePosixPath(filename).suffix.lower()}"
