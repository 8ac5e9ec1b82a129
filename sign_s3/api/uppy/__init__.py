"""Uppy Companion's S3 protocol, as `@uppy/aws-s3` speaks it; services/ does what is asked.

    views          GET s3/params, and s3/multipart with all that is below it
    serializers    what clients send and get

Requests and answers are those of Companion's `server/controllers/s3.js`. What differs: errors have
this API's shape; every request needs a token; ``metadata.path`` says where the upload goes, and all
other metadata, file names above all, is not looked at; `expires` is not told, since Uppy would cut
off an upload that takes longer.
"""
