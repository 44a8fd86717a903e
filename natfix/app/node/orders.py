"""What the user wants of the agent, and what it needs of the machine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from natfix.app.node.interface import InterfaceWish
from natfix.app.node.news import Inbox
from natfix.app.node.ports import DataPlane, LeaseStore
from natfix.app.node.tenancy import Errand
from natfix.app.node.voice import Voice
from natfix.app.ports import Files
from natfix.routing.network import NetworkConfig
from natfix.routing.state import Network
from natfix.routing.subnet import Subnet
from natfix.routing.subnet_env import DEFAULT_PATH

GRACE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What the user wants.

    Attributes:
        wish: which device peers reach this host by.
        subnet_file: where subnet.env is written.
        renew_margin: seconds before the end of the lease in which it is renewed.
        grace: seconds in which peers may come back that a snapshot of the store no longer holds.
        ip_masq: whether this agent masquerades what leaves the cluster.
        watched: whether the store's revisions tell who wrote this host's lease; see Tenancy.
    """

    wish: InterfaceWish = field(default_factory=InterfaceWish)
    subnet_file: str = DEFAULT_PATH
    renew_margin: float = 3600.0
    grace: float = GRACE
    ip_masq: bool = False
    watched: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """The machine.

    Attributes:
        store: where leases live.
        plane: the kernel.
        inbox: what is heard.
        files: the host's.
        voice: whom to tell.
        clock: seconds that never go back.
        chance: gives a number from 0 up to, and without, the one it is given.
        send: runs an errand in a thread of its own, and puts what became of it into the inbox.
        forget: drops tracked connections to networks that are reached in another way now.
        settle: begins to keep rules, and Docker, fitting the subnet of this host, in a thread of its own; called once, when the
            routes are there.
    """

    store: LeaseStore
    plane: DataPlane
    inbox: Inbox
    files: Files
    voice: Voice
    clock: Callable[[], float]
    chance: Callable[[int], int]
    send: Callable[[Errand], None]
    forget: Callable[[Collection[Network]], None]
    settle: Callable[[NetworkConfig, Subnet], None]
