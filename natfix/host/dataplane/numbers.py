"""The kernel's numbers and layouts: linux/netlink.h, rtnetlink.h, neighbour.h, if_link.h, if_addr.h, if.h."""

from __future__ import annotations

import socket
import struct
from typing import Final

# Kinds of messages.
NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30

# Flags of a message.
REQUEST, ACK, DUMP, DUMP_INTERRUPTED, REPLACE, EXCLUSIVE, CREATE = 0x1, 0x4, 0x300, 0x10, 0x100, 0x200, 0x400

# The fixed part of each kind.
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, hardware, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, index

INET: Final = int(socket.AF_INET)
INET6: Final = int(socket.AF_INET6)
BRIDGE: Final = 7

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_EXT_MASK = 1, 3, 4, 18, 29
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
SKIP_STATISTICS: Final = 8
VXLAN_ID, VXLAN_GROUP, VXLAN_LINK, VXLAN_LOCAL, VXLAN_LEARNING, VXLAN_PORT = 1, 2, 3, 4, 7, 15
VXLAN_GROUP6, VXLAN_LOCAL6, VXLAN_GBP = 16, 17, 23
# Proxy, RSC, notices of misses at layer 2 and 3, and an outer header told by each packet: natfix's devices have none of it.
VXLAN_ODD: Final = (11, 12, 13, 14, 25)
IFF_UP, IFF_POINTOPOINT, IFF_RUNNING, IFF_NOARP = 0x1, 0x10, 0x40, 0x80

IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_TEMPORARY, IFA_NODAD, IFA_DEPRECATED, IFA_TENTATIVE = 0x01, 0x02, 0x20, 0x40
SCOPE_LINK, SCOPE_NOWHERE = 253, 255

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 9, 15, 18
TABLE_MAIN: Final = 254
UNICAST: Final = 1
NOWHERE: Final = (6, 7, 8)  # blackhole, unreachable, prohibit
CLONED, FIB_MATCH = 0x200, 0x2000
ONLINK: Final = 4
PROTOCOL_KERNEL: Final = 2
DEFAULT_METRIC6: Final = 1024

NDA_DST, NDA_LLADDR, NDA_IFINDEX = 1, 2, 8
NUD_PERMANENT: Final = 0x80
NTF_SELF: Final = 2
