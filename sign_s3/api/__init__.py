"""From HTTP to the services and back: nothing here touches S3 or decides about an upload.

    views            /sign_s3/: parse, call the service, respond
    direct           a POST's way to its view, without what signing does not need
    uppy/            the same for Uppy, and uploads in parts: Companion's protocol
    authentication   who may sign
    parsers          the one parser: JSON, strictly and within limits
    serializers      requests, validated; and UploadModelSerializer, for records that carry uploads
    fields           serializer fields that coerce nothing
    throttling       rate limits; `counting` and `counting_on_redis` keep the counts
    idempotency      Idempotency-Key, for views that create records
    errors           what a service refuses, as an answer
    exceptions       the answers REST framework has no exception for
    negotiation      one parser and one renderer leave nothing to negotiate
    renderers        the one renderer
    documentation    what the OpenAPI document says of views, noted beside them

Apps with uploads of their own build on `serializers`, `fields`, `throttling`, `idempotency` and
`documentation`.
"""
