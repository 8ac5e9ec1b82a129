"""What the service does, each verb in a module of its own.

    issue      sign forms for new keys                                 no database, no S3
    multipart  begin, sign, complete and abort uploads in parts
    attach     inspect, claim, promote, commit: a record takes uploads all or nothing
    rollback   delete unattached uploads from the incoming bucket
    sweep      expire leases, delete what was released, purge tombstones

``ticket`` is what clients know a multipart upload by, ``errors`` what all of them refuse with,
``store`` how they wait for S3, ``quota`` what one may keep.
"""
