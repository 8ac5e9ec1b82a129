"""Direct uploads to S3: signed by this service, sent by the client, attached to records.

A request goes down this list, and no module imports from one above it (import-linter holds that):

    urls, uppy_urls
                   the addresses
    api/           a request: parsed, throttled, validated, answered
    services/      what is done about it: issue · multipart · attach · rollback; the sweep
    inspection     what an upload must be before a record may claim it
    triggers       SQL that releases a file in the statement that drops the reference
    fields         UploadField: declared on a model, it says what may be uploaded where
    models         the ledger: one row for each object of the media bucket, and its states
    storage        the two buckets, their signers, and Django's view of media
    bucket/        the S3 client
    signing        forms and URLs that S3 takes from clients (SigV4)
    location       where a bucket is
    destinations   where uploads may go, of which types and sizes
    keys           what a key looks like

The last four know neither Django nor the SDK. Beside the list: `conf` reads the settings, `guard`
keeps S3 out of transactions, `lookups` finds rows by many keys, `checks` tells what is set up
wrong, `admin` shows the ledger with the widget of `forms`, `apps` switches all of it on, and
`management` has the commands that an operator runs.

Another app starts from `fields.UploadField` and `api.serializers.UploadModelSerializer`.
"""
