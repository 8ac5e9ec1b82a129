"""What happens when requests race, processes die and S3 fails, shown on real parts.

    proxy          stands between the service and its S3, and disturbs what passes
    ledger         the service's database, seen and aged from outside
    backstage      a process with the service's settings: sweeps when told, opens accounts
    phone          a client
    rig            all of them together, and what must hold whatever happened (`Rig.assert_sound`)
    settings       the service's own, with less patience

The numbers in the tests (S1, F3) are those of docs/safety.md.
"""
