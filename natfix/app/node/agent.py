"""The node agent: one thread does all the work, one queue brings it everything that is heard.

Open (configuration, device, lease) ─► write subnet.env ─► routes ─► rules and Docker ─► ready; and from then on::

    the store tells of leases ─► their routes, at once     the kernel tells of a change ─► repaired, at once
    the store is away         ─► all stays as it is        the lease is lost ─► taken again, or the agent ends
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from natfix.app.metrics import Labels
from natfix.app.node import metrics
from natfix.app.node.forwarding import Forwarding, Ground
from natfix.app.node.health import Health
from natfix.app.node.news import Answered, Away, Broken, Changed, Disturbed, News, Stop, Written
from natfix.app.node.opening import Opened, announced
from natfix.app.node.orders import Orders, Site
from natfix.app.node.publishing import Publishing
from natfix.app.node.standing import Standing, difference
from natfix.app.node.tenancy import Held, Tenancy
from natfix.errors import ConfigError, ConflictError, NatfixError
from natfix.routing.lease import Change, Lease
from natfix.routing.leases import LeaseTable
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet_env import render_subnet_env

_LONGEST_SLEEP: Final = 30.0
# The work of a turn is bounded by the kernel's answers; longer than this it hangs.
_DEAD_SECONDS: Final = 120.0


class Agent:
    """One running agent.

    Args:
        site: the machine.
        orders: what the user wants.
        opened: what was decided at the beginning.
        seed: as of open_node.

    Raises:
        HostError: subnet.env cannot be written, or the kernel does not answer.
    """

    def __init__(self, site: Site, orders: Orders, opened: Opened, seed: bytes) -> None:
        now = site.clock()
        self._site = site
        self._orders = orders
        self._opened = opened
        self._own = opened.lease.subnet
        self._table = LeaseTable()
        self._tenancy = Tenancy(site.store, opened.lease, margin=orders.renew_margin, now=now, watched=orders.watched)
        ground = Ground(site.plane, site.voice, site.clock, site.forget)
        self._forwarding = Forwarding(ground, self._own, opened.backend, orders.grace)
        self._standing = Standing(site, orders, opened, seed)
        self._started = self._beat = now
        self._away_since: float | None = None
        self._answered = self._stopped = self._ready = self._around = False
        self._renewed = True
        self._told_rivals = 0
        self._told_config: str | None = None
        self._told_lease: Labels = ()
        self._reconfigured = False
        self._publishing = Publishing(site.voice)
        site.voice.leased(opened.lease, opened.how)
        self._write_subnet_file()

    def run(self) -> None:
        """Work until somebody says stop.

        Raises:
            ConflictError: another host has this one's subnet.
        """
        try:
            while not self._stopped:
                self.turn(self._site.inbox.take(self.sleep()))
        except ConflictError as error:
            self._site.voice.stopped(error.message)
            raise
        self._site.voice.stopped("told to end")

    def health(self) -> Health:
        """How it is, for any thread."""
        missing = "" if self._ready else "routes are not programmed"
        if not self._answered:
            missing = "the lease store has not answered"
        return Health(self._site.clock() - self._beat < _DEAD_SECONDS, missing)

    def sleep(self) -> float:
        """Seconds until there is something to do."""
        now = self._site.clock()
        patience = self._site.voice.notifier.patience
        longest = _LONGEST_SLEEP if patience is None else min(_LONGEST_SLEEP, patience / 2)
        return min(
            longest,
            self._tenancy.sleep(now),
            self._forwarding.sleep(now),
            self._standing.sleep(now),
            self._publishing.sleep(now),
        )

    def turn(self, news: Sequence[News]) -> None:
        """Take in what was heard, then do what is due.

        Raises:
            ConflictError: another host has this one's subnet.
        """
        changes: list[Change] = []
        for one in news:
            # Leases that changed together are told to the kernel together.
            if isinstance(one, Changed):
                changes += one.changes
            else:
                self._learn(changes)
                changes = []
                self._hear(one)
        self._learn(changes)
        if not self._stopped:
            self._work()
        self._beat = self._site.clock()
        self._site.voice.notifier.alive()
        self._measure()

    def _measure(self) -> None:
        meter, lease, outside = self._site.voice.meter, self._tenancy.lease, self._opened.outside
        reached = str(outside.public_ip or outside.public_ipv6)
        told = (str(self._own), reached, self._tenancy.attributes.backend_type, outside.link)
        if told != self._told_lease:
            self._told_lease = told
            meter.put_only(metrics.LEASE, {told: 1})
        if lease.expires is not None:
            meter.put(metrics.LEASE_EXPIRY, lease.expires)
        meter.put(metrics.LEASES, len(self._table.leases))
        meter.put(metrics.STORE_UP, self._away_since is None and self._answered)
        meter.put(metrics.READY, self._ready and self._answered)
        meter.put(metrics.RENEWED, self._renewed)
        meter.put(metrics.CONFIG_CHANGED, self._reconfigured)
        self._forwarding.measure(meter)
        meter.stamp(metrics.LAST_TURN)
        self._publishing.measured(self._site.clock())

    def _hear(self, news: Stop | Answered | Away | Disturbed | Written | Broken) -> None:
        match news:
            case Stop():
                self._stopped = True
            case Answered():
                self._take_in(news)
            case Away(why):
                if self._away_since is None:
                    self._away_since = self._site.clock()
                    self._site.voice.away(why)
            case Disturbed(disturbances):
                self._around |= self._forwarding.disturbed(disturbances)
            case Written(outcome):
                self._settle(outcome)
            case Broken(defect):
                raise defect
            case _:
                assert_never(news)

    def _take_in(self, news: Answered) -> None:
        """The store told all it holds."""
        now = self._site.clock()
        if self._away_since is not None:
            self._site.voice.back(now - self._away_since)
            self._away_since = None
            self._tenancy.seen_again(now)
        differences = self._table.reset(news.snapshot)
        self._hear_of_own(self._table.leases.get(self._own), anew=True)
        self._forwarding.learn(differences, doubtful=True)
        if not self._answered:
            self._answered = True
            for text in news.snapshot.unreadable:
                self._site.voice.remark(f"passed over in the lease store: {text}")
            self._forwarding.begin()
        self._compare(news.config)

    def _learn(self, changes: Sequence[Change]) -> None:
        if changes:
            differences = self._table.update(changes)
            for change in changes:
                if change.lease.subnet == self._own:
                    self._hear_of_own(change.lease if change.kind == "put" else None)
            self._forwarding.learn(differences)
            if differences and self._ready:
                self._site.voice.peers(self._forwarding.peers)

    def _hear_of_own(self, found: Lease | None, *, anew: bool = False) -> None:
        self._tenancy.heard(found, self._site.clock(), anew=anew)
        self._tell_rivals()

    def _settle(self, outcome: Held | NatfixError) -> None:
        """The attempt to hold the lease is over."""
        self._tenancy.settle(outcome, self._site.clock())
        if isinstance(outcome, NatfixError):
            if self._renewed:
                self._site.voice.not_renewed(outcome)
            self._renewed = False
            return
        self._site.voice.meter.add(metrics.RENEWALS, outcome.how)
        if outcome.how != "renewed" or not self._renewed:
            self._site.voice.leased(outcome.lease, outcome.how)
        self._renewed = True
        self._tell_rivals()

    def _tell_rivals(self) -> None:
        if self._tenancy.rivals > self._told_rivals:
            self._told_rivals = self._tenancy.rivals
            self._site.voice.rival(self._tenancy.lease)

    def _compare(self, text: str | None) -> None:
        """Say when the network is configured in another way than this agent knows it; it is followed after a restart."""
        if text == self._told_config:
            return
        self._told_config = text
        try:
            same = text is not None and NetworkConfig.parse(text) == self._opened.config
        except ConfigError:
            same = False
        self._reconfigured = not same
        if not same:
            self._site.voice.remark(
                "the network's configuration is gone from the lease store; this agent goes on with the one it knows"
                if text is None
                else "the network's configuration was changed; this agent goes on with the one it knows until it is restarted"
            )

    def _work(self) -> None:
        now = self._site.clock()
        if self._around:
            self._look_around(now)
        moved = self._standing.decide(now)
        if moved is not None:
            self._move(moved, now)
        errand = self._tenancy.errand(now)
        if errand is not None:
            self._site.send(errand)
        if self._answered:
            self._forwarding.work()
        if self._forwarding.ready and not self._ready:
            self._ready = True
            self._site.voice.ready(self._forwarding.peers, self._site.clock() - self._started)
            self._site.settle(self._opened.config, self._own)

    def _look_around(self, now: float) -> None:
        self._around = False
        try:
            links = self._forwarding.look_around()
        except NatfixError as error:
            self._site.voice.remark("the host's devices could not be looked at", error)
            return
        if links is not None:
            self._standing.look(links, now)

    def _move(self, opened: Opened, now: float) -> None:
        """Peers reach this host in another way: tell them, and reach them accordingly."""
        self._site.voice.moved(difference(self._opened.outside, opened.outside))
        self._opened = opened
        self._forwarding.rebase(opened.backend)
        self._tenancy.announce(announced(opened.config, opened.outside, opened.here), now)
        self._write_subnet_file()

    def _write_subnet_file(self) -> None:
        text = render_subnet_env(
            self._opened.config.networks, self._own, mtu=self._opened.backend.mtu, ip_masq=self._orders.ip_masq
        )
        path = self._orders.subnet_file
        if self._site.files.read(path) != text:
            self._site.files.replace(path, text, mode=0o644)
