"""Ceph's radosgw on one machine: an S3 that shares no code with the embedded one.

One monitor, one object store in memory and one gateway, all on the loopback interface. Debian has
them as ``radosgw ceph-mon ceph-osd``. Up in about 15 s, 450 MB of memory; a stop loses everything.

Where it answers differently from AWS: a bad signature is AccessDenied rather than
SignatureDoesNotMatch, a policy signed for another region is taken, ``x-amz-checksum-*`` form fields
are not verified, and a signed PUT may carry ``x-amz-`` headers that were not signed. It refuses all
the same what our policies forbid.
"""

import secrets
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from local.iam import give
from local.processes import (
    Child,
    ProcessError,
    claim_port,
    free_port,
    listening,
    run,
    spawn,
    wait_until,
)
from local.store import Store

PROGRAMS: Final = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
#: radosgw takes any region in a signature; the zone group it makes has this name.
REGION: Final = "default"
_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def installed() -> bool:
    return all(shutil.which(program, path=_ENVIRONMENT["PATH"]) for program in PROGRAMS)


@dataclass
class RadosGateway:
    """One cluster of one. `state` is a directory it may empty, `port` where S3 is served."""

    state: Path
    port: int
    _children: list[Child] = field(default_factory=list)
    _store: Store | None = None

    def start(self) -> Store:
        """Serve, and answer with the signer's key; `ProcessError` if that cannot be."""
        if not installed():
            raise ProcessError("radosgw is missing: apt-get install radosgw ceph-mon ceph-osd")
        claim_port(self.port, variable="S3_PORT")
        # In memory, so what a last run left refers to objects that are gone.
        shutil.rmtree(self.state, ignore_errors=True)
        for directory in ("mon", "osd", "rgw", "log", "run"):
            (self.state / directory).mkdir(parents=True)
        monitor_port = free_port()
        cluster = str(uuid.uuid4())
        self._config.write_text(self._settings(cluster, monitor_port))
        self._start_monitor(cluster, monitor_port)
        self._start_objects()
        store = Store(
            f"http://127.0.0.1:{self.port}", REGION, secrets.token_hex(10), secrets.token_hex(20)
        )
        self._start_gateway(store)
        self._store = store
        return store

    def add_user(self, name: str, policies: Mapping[str, object]) -> Store:
        """The store with the key of a user who has these IAM policies and no bucket."""
        assert self._store is not None, "not started"
        store = replace(
            self._store, access_key=secrets.token_hex(10), secret_key=secrets.token_hex(20)
        )
        self._create_user(name, store, "--max-buckets=-1")
        give(name, policies, by=self._store)
        return store

    def stop(self) -> None:
        # Newest first, and without patience: a gateway whose store is gone waits for it for ever,
        # and nothing here is worth a clean end.
        while self._children:
            self._children.pop().stop(patience=0.1)

    def _start_monitor(self, cluster: str, port: int) -> None:
        monmap = str(self.state / "monmap")
        address = f"[v1:127.0.0.1:{port}]"
        self._run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        monitor = self._spawn("ceph-mon", "-f", "-i", "a")
        wait_until(lambda: "quorum" in self._ask("-s"), monitor, patience=30)

    def _start_objects(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "new", identity)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        for attempts_left in reversed(range(5)):
            objects = self._spawn("ceph-osd", "-f", "-i", "0")
            try:
                wait_until(lambda: "1 up" in self._ask("osd", "stat"), objects, patience=30)
            except ProcessError:
                # It sometimes speaks before the monitor has told it the cluster's id, is refused
                # for having the wrong one, and ends. The next one fares better.
                if objects.running() or not attempts_left:
                    raise
            else:
                return

    def _start_gateway(self, store: Store) -> None:
        # The right to give policies to users made by `add_user`.
        self._create_user("signer", store, "--caps=user-policy=*")
        gateway = self._spawn("radosgw", "-f", "-n", "client.rgw")
        wait_until(lambda: listening(self.port), gateway, patience=60)

    def _create_user(self, name: str, store: Store, *options: str) -> None:
        self._run(
            "radosgw-admin",
            *("-n", "client.rgw", "user", "create", f"--uid={name}", f"--display-name={name}"),
            *(f"--access-key={store.access_key}", f"--secret-key={store.secret_key}", *options),
        )

    @property
    def _config(self) -> Path:
        return self.state / "ceph.conf"

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [program, "-c", str(self._config), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        log = self.state / "log" / "commands.out"
        run(program, self._command(program, *arguments), env=_ENVIRONMENT, log=log)

    def _spawn(self, program: str, *arguments: str) -> Child:
        log = self.state / "log" / f"{program}.out"
        child = spawn(program, self._command(program, *arguments), env=_ENVIRONMENT, log=log)
        self._children.append(child)
        return child

    def _ask(self, *arguments: str) -> str:
        """What `ceph` says, or nothing while the monitor does not answer."""
        command = self._command("ceph", "--connect-timeout", "5", *arguments)
        answer = subprocess.run(
            command, env=_ENVIRONMENT, capture_output=True, text=True, check=False
        )
        return answer.stdout if answer.returncode == 0 else ""

    def _settings(self, cluster: str, monitor_port: int) -> str:
        return f"""\
[global]
fsid = {cluster}
mon_initial_members = a
# Only the old wire protocol: the new one would want a second port and a second address.
mon_host = v1:127.0.0.1:{monitor_port}
ms_bind_msgr2 = false
ms_bind_ipv6 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
# The parts trust each other; nothing but this machine can reach them.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
# One copy of everything, in one placement group a pool: there is one disk, and it is memory.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
# A monitor stops where its disk is over 95 % full; this one keeps a few megabytes.
mon_data_avail_crit = 0
log_file = {self.state}/log/$name.log
admin_socket = {self.state}/run/$name.asok
run_dir = {self.state}/run

[mon.a]
mon_data = {self.state}/mon

[osd.0]
osd_data = {self.state}/osd
osd_objectstore = memstore
memstore_device_bytes = {4 << 30}
osd_memory_target = {896 << 20}

[client.rgw]
rgw_data = {self.state}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{self.port}
rgw_enable_usage_log = false
rgw_thread_pool_size = 32
"""
