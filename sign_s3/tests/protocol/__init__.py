"""The protocol under a state machine: the real services, interleaved at every call to S3.

    store       an S3 in memory, below botocore: every answer can be refused, lost or late
    stage       runs services as actors that stop before and after each S3 call
    ledger      what a row may become, and what has to hold between any two steps
    records     what holds uploads, and how it comes and goes
    world       clients, workers, faults and time: a method for each thing that can happen
    machine     the rules that draw what happens next
    mutations   what the protocol must not do without, each left out

Nothing of ours is replaced, except by the mutations: that is what they are. A service runs in a
thread of its own and every one of its S3 calls waits for the stage, so only one thread runs at any
time and a run depends on nothing but the rules that were drawn. Between two S3 calls of a service
there is one transaction at most that another could notice, so stopping there tries every
interleaving that matters.
"""
