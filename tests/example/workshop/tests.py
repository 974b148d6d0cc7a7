"""A visitor's way through the shop, with the static files collected as in production."""

import io
import re
import tempfile
from unittest import mock

from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client, TestCase, override_settings
from PIL import Image

from workshop.models import Enquiry, Product

WORDS = {"name": "Ada", "email": "ada@shop.test", "message": "Does it come in green?"}


def picture(name: str = "My bicycle.PNG") -> SimpleUploadedFile:
    """Return a small picture as a browser would send it."""
    content = io.BytesIO()
    Image.new("RGB", (4, 3), "green").save(content, "PNG")
    return SimpleUploadedFile(name, content.getvalue(), "image/png")


class Shop(TestCase):
    """Files go to directories of their own."""

    @classmethod
    def setUpClass(cls) -> None:
        """Collect the static files, since their hashed names are part of every page."""
        folders = [cls.enterClassContext(tempfile.TemporaryDirectory()) for _ in range(2)]
        cls.enterClassContext(override_settings(STATIC_ROOT=folders[0], MEDIA_ROOT=folders[1]))
        call_command("collectstatic", interactive=False, verbosity=0)
        super().setUpClass()


@override_settings(RELEASE="2024-05-01")
class Pages(Shop):
    """What a visitor sees after the first deployment."""

    def test_home_shows_the_products_that_came_with_the_migration(self) -> None:
        """Six, in their order, with static files under hashed names and the release in the footer."""
        response = self.client.get("/")
        assert response.context["products"].count() == 6
        self.assertContains(response, "Refurbished city bicycle")
        assert re.search(r"/static/workshop/drawings/bicycle\.[0-9a-f]{12}\.svg", response.content.decode())
        assert re.search(r"/static/workshop/style\.[0-9a-f]{12}\.css", response.content.decode())
        self.assertContains(response, "release 2024-05-01")
        assert response.headers["X-Release"] == "2024-05-01"

    def test_every_product_has_a_page_and_a_drawing(self) -> None:
        """A drawing that is missing would be an error 500 in production."""
        for product in Product.objects.all():
            with self.subTest(product.slug):
                self.assertContains(self.client.get(product.get_absolute_url()), product.name)
                assert finders.find(product.drawing_path) is not None

    def test_a_page_that_is_not_there(self) -> None:
        """It looks like the site."""
        self.assertContains(self.client.get("/products/tandem/"), "Spoke &amp; Spanner", status_code=404)

    def test_the_back_room_opens(self) -> None:
        """The lists of both models, and the form that changes a product."""
        self.client.force_login(get_user_model().objects.create_superuser("ada"))
        product = Product.objects.get(slug="brass-bell")
        for address in ("product/", "enquiry/", f"product/{product.pk}/change/"):
            with self.subTest(address):
                assert self.client.get(f"/admin/workshop/{address}").status_code == 200


class Enquiries(Shop):
    """The form below a product."""

    def test_an_enquiry_with_a_photograph_ends_on_its_receipt(self) -> None:
        """The file is kept under a name that cannot be guessed, and shown."""
        response = self.client.post("/products/brass-bell/", {**WORDS, "photograph": picture()}, follow=True)
        enquiry = Enquiry.objects.get()
        self.assertRedirects(response, f"/enquiries/{enquiry.reference}/")
        self.assertContains(response, "Does it come in green?")
        self.assertContains(response, enquiry.photograph.url)
        assert re.search(r"^enquiries/[0-9a-f-]{36}\.png$", enquiry.photograph.name)

    def test_what_is_wrong_is_said_and_nothing_is_kept(self) -> None:
        """No name; a text that calls itself a picture; a picture that calls itself a page; a huge one."""
        page = SimpleUploadedFile("bicycle.png", b"<script>", "image/png")
        huge = mock.patch("workshop.photographs.MAX_BYTES", 10)
        huge.start()
        self.addCleanup(huge.stop)
        for words, error in (
            ({**WORDS, "name": ""}, "This field is required."),
            ({**WORDS, "photograph": page}, "Upload a valid image."),
            ({**WORDS, "photograph": picture("bicycle.html")}, "is not allowed"),
            ({**WORDS, "photograph": picture()}, "This picture is larger than 5 MB."),
        ):
            with self.subTest(error):
                response = self.client.post("/products/brass-bell/", words)
                self.assertContains(response, error, status_code=422)
        assert not Enquiry.objects.exists()

    def test_a_form_of_another_site_is_refused(self) -> None:
        """The token is asked for."""
        response = Client(enforce_csrf_checks=True).post("/products/brass-bell/", WORDS)
        assert response.status_code == 403


@override_settings(RELEASE="2024-05-01")
class Health(TestCase):
    """What the deployer asks before a release goes live."""

    def test_healthy(self) -> None:
        """One query, and the release."""
        with self.assertNumQueries(1):
            response = self.client.get("/healthz/")
        assert response.json() == {"status": "ok", "release": "2024-05-01"}

    def test_without_a_database(self) -> None:
        """503 rather than an error page, and the cause in the log."""
        gone = mock.patch("workshop.views.Product.objects.exists", side_effect=OperationalError("gone"))
        with gone, self.assertLogs("workshop.views", "ERROR"):
            response = self.client.get("/healthz/")
        assert response.status_code == 503
        assert response.json()["status"] == "no database"
