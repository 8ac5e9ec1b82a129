"""What the service does, each verb in a module of its own.

    issue      sign forms for new keys                                 no database, no S3
    attach     inspect, claim, promote, commit: a record takes uploads all or nothing
    rollback   delete unattached uploads from the incoming bucket
    sweep      expire leases, delete what was released, purge tombstones

``errors`` is what they refuse with, ``store`` how they wait for S3, ``quota`` what one may keep.
"""
