"""Signing as a tutorial has it."""

import shortuuid
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.baselines.boto3_forms import PATHS, TYPES, form
from bench.baselines.drf.models import Upload


class SignSerializer(serializers.Serializer):
    mime = serializers.ChoiceField(choices=list(TYPES))
    path = serializers.ChoiceField(choices=PATHS)
    number = serializers.IntegerField(min_value=1, max_value=10)


class SignView(APIView):
    def post(self, request):
        serializer = SignSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        extension = TYPES[wanted["mime"]]
        keys = [
            f"media/{wanted['path']}{shortuuid.uuid()}{extension}" for _ in range(wanted["number"])
        ]
        Upload.objects.bulk_create(
            Upload(owner=request.user, key=key, content_type=wanted["mime"]) for key in keys
        )
        owner = request.user.get_username()
        forms = [form(key=key, content_type=wanted["mime"], owner=owner) for key in keys]
        return Response(forms, status=status.HTTP_201_CREATED)
