"""The models. Their managers are declared for the type checker, which knows the settings' apps."""

from typing import ClassVar

from django.db import models

from sign_s3.destinations import IMAGES, MIB, VIDEOS, Destination
from sign_s3.fields import UploadField

COVERS = Destination(path="gallery/cover_", types=IMAGES, max_size=10 * MIB, public=True)
PHOTOS = Destination(path="gallery/photo_", types=IMAGES, max_size=10 * MIB)
PORTFOLIO = Destination(path="gallery/portfolio/%Y/%m/", types=IMAGES, max_size=10 * MIB)
PAPERS = Destination(path="gallery/papers/", types={"application/pdf": ".pdf"}, max_size=MIB)
FILMS = Destination(path="gallery/film_", types=VIDEOS, max_size=500 * MIB)


class Album(models.Model):
    title = models.CharField(max_length=50, default="Summer")
    cover = UploadField(destination=COVERS)

    objects: ClassVar[models.Manager["Album"]] = models.Manager()

    def __str__(self) -> str:
        return self.title


class VisiblePhotos(models.Manager["Photo"]):
    def get_queryset(self) -> models.QuerySet["Photo"]:
        return super().get_queryset().filter(hidden=False)


class Photo(models.Model):
    album = models.ForeignKey(Album, on_delete=models.CASCADE, null=True, blank=True)
    caption = models.CharField(max_length=50, blank=True)
    image = UploadField(destination=PHOTOS, blank=True)
    hidden = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Photo"]] = models.Manager()
    visible = VisiblePhotos()

    class Meta:
        base_manager_name = "visible"

    def __str__(self) -> str:
        return self.caption


class PhotoByCaption(Photo):
    class Meta:
        proxy = True
        ordering = ["caption"]


class Film(Photo):
    """Its image is a column of Photo's table, its movie one of its own."""

    movie = UploadField(destination=FILMS)

    objects: ClassVar[models.Manager["Film"]] = models.Manager()


class Paper(models.Model):
    document = UploadField(destination=PAPERS)

    class Meta:
        abstract = True


class Letter(Paper):
    objects: ClassVar[models.Manager["Letter"]] = models.Manager()

    def __str__(self) -> str:
        return f"letter {self.pk}"


class Invoice(Paper):
    """With names that have to be quoted."""

    objects: ClassVar[models.Manager["Invoice"]] = models.Manager()

    class Meta(Paper.Meta):
        abstract = False
        db_table = "gallery Client's Invoice"

    def __str__(self) -> str:
        return f"invoice {self.pk}"


class Piece(models.Model):
    picture = UploadField(destination=PORTFOLIO, db_column="order")

    def __str__(self) -> str:
        return f"piece {self.pk}"
