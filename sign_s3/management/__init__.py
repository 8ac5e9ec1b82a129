"""What an operator runs, each a module of `commands`.

    setup_buckets   both buckets and their rules; at every deployment
    sweep           deletes what was released; always, or from cron
    reconcile       mends the ledger; after a restore (docs/backup.md)

They say what the services did; `signals` lets one be stopped between two pieces of work.
"""
