"""Posts with pictures and a video: an app as another team would build it on `sign_s3`.

What it does about uploads is all there is to do: declare fields (`models`), use an
UploadModelSerializer (`serializers`), and create through IdempotentCreateMixin (`views`).
"""
