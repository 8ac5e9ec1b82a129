from django.contrib import admin

from sign_s3.tests.app.models import Album, Photo

admin.site.register([Album, Photo])
