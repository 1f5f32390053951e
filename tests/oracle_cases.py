# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of the test oracle in the behaviour reference (section 23): number and what it asks for, in a few words.

A test that shows one says so with ``@pytest.mark.oracle("T01")``, or ``@pytest.mark.oracle("T33", deviates="why")``
where we do something else on purpose; ``make oracle`` writes the table in docs/oracle.md. Numbers that are missing here
are missing in the reference.
"""

from __future__ import annotations

CASES = {
    # detection
    "T01": "a NIC that falls silent has failed after 4 to 7.5 probe intervals, and its address is on the other",
    "T02": "at 10 s the interval is 1428 ms; gaps lie between half and one and a half of it, their mean is it",
    "T03": "too small a detection time is raised to the smallest, and said so",
    "T04": "a detection time that is no number, or negative, becomes 10000, and said so",
    "T06": "one of several host targets goes away: dropped after 5 losses, others are looked for, no NIC fails",
    "T07": "one of two routers dies: no failure, it is DEAD and tried again after a minute",
    "T09": "all host targets silent for all NICs: group failure, targets forgotten, hosts are looked for",
    "T11": "both families of a NIC silent: failed",
    "T12": "carrier loss: failed within a second whatever the detection time, logged in order",
    "T13": "silent already at start: no probe failure for 40 s, then one",
    "T15": "no carrier already at start: logged, and failed over in the first scan",
    "T16": "five host targets at most; a router that appears replaces them all",
    "T17": "a host route by way of a host makes it a router target, and no multicast is sent",
    "T18": "a single host target: a multicast goes with each probe",
    "T20": "an own address that answers never becomes a target",
    "T21": "one slow answer is forgiven, a second makes the group's detection time longer",
    "T22": "fast again: the detection time comes back in steps, not before a minute",
    "T23": "one slow target among four or more: left out for a minute, the detection time stays",
    "T25": "no test address: said once, and said when there is one again",
    "T26": "answers with a wrong identifier or source, doubled or too old are counted and ignored",
    "T27": "probes leave with hop limit 1, from the test address, through their NIC only",
    "T28": "all tracked: an ungrouped silent NIC is FAILED, nothing moves",
    "T29": "only groups tracked: an ungrouped NIC is not probed, and old flags are cleared",
    # destination
    "T32": "a failed standby is passed over",
    "T34": "a sibling without targets: may it serve?",
    "T35": "after a failover the data address has left the NIC, its test address stays in use",
    "T36": "a data address that is down moves too, and stays down",
    "T37": "global IPv6 addresses move, link-local ones do not",
    "T38": "a TCP connection survives failover and failback",
    "T39": "a peer's ARP or neighbour entry follows within a second",
    # repair and failback
    "T42": "repaired between 10 intervals and twice the detection time, logged, the address home again",
    "T43": "a loss during repair: ten further answers are needed",
    "T45": "carrier back on a NIC that probes: failed until ten answers",
    "T46": "carrier back on a NIC that does not probe: repaired at once",
    "T48": "a flapping link of a NIC that probes is not called flapping",
    "T50": "no failback, but a usable address of its own on the NIC: not INACTIVE",
    "T52": "link-only group without any carrier: no move for the second; the first one back serves",
    "T54": "SIGHUP with another detection time: in force, logged, nothing moves",
    # standby
    "T55": "a standby with only a test address: STANDBY, INACTIVE, sends probes and no data",
    "T57": "the active NIC is back: its address too, the standby INACTIVE again",
    "T58": "standby taken from a NIC: no longer INACTIVE",
    "T59": "two active, two standby: as many standbys serve as active ones fail",
    # if_mpadm
    "T61": "offline: address moved, test address down, no probes, exit 0",
    "T62": "offline of the last one: refused, nothing changed",
    "T63": "offline twice, and undo of what is online: refused with their texts",
    "T64": "undo: address home in spite of FAILBACK=no, test address up, probes again",
    "T65": "offline of an ungrouped NIC: refused",
    "T68": "offline of an INACTIVE standby: done, nothing moves",
    "T69": "an unprivileged caller: refused and logged",
    "T70": "no daemon: said so, exit 1",
    # detach
    "T71": "an ungrouped NIC with an address: refused, untouched, the table names the address",
    "T72": "the same with force: unplumbed and detached",
    "T73": "an ungrouped NIC without addresses: detached",
    "T74": "a member with a healthy sibling: moved, test address gone, TCP goes on",
    "T75": "the only working member: refused, everything as before",
    "T77": "a failed and emptied member: detached without further moves",
    "T78": "the sibling is offline: refused; it has no targets: allowed",
    "T79": "the sibling is an inactive standby: it serves and is active",
    "T81": "a step fails: undone, the address is back, the failure told",
    "T82": "the undoing fails too: told, no address lost",
    "T83": "a query changes nothing, and foresees a refusal",
    "T84": "no daemon: refused without force",
    "T86": "something is stacked on the NIC: refused clearly",
    "T87": "two members of one card: both addresses on the third NIC",
    "T89": "a card with a member and an ungrouped NIC: refused for the latter, the member untouched",
    "T90": "the same with force: moved and unplumbed",
    "T92": "the order in which a card's NICs are named makes no difference",
    # attach
    "T93": "put back with its file: as before the detach",
    "T94": "put back without a file: there, not configured, the address stays away",
    "T95": "put back with a file that names another address: that one is configured",
    "T97": "a new NIC with a file joins its group and is in use",
    "T100": "put back under FAILBACK=no: the address stays away",
    "T101": "put back with another MAC and the same name: as before",
    "T102": "put back with an empty file: plumbed only",
    "T104": "put back while another host has the address: not brought up silently",
    # boot
    "T105": "missing at boot with a sibling: the line on the console, the address on the sibling",
    "T107": "missing without a sibling: the line, the address nowhere",
    "T108": "missing and ungrouped: the same",
    "T109": "two siblings, one a standby: that one is chosen and active",
    "T110": "missing with DHCP only: nothing moves, said so",
    "T113": "all of a group missing: each one told",
    "T114": "missing, attached later: as a boot with it",
    "T116": "the sibling has no carrier at boot: chosen all the same, moved on later",
    # reporting
    "T118": "one event for each change of state, its signature higher; none for a repetition",
    "T119": "ipmpstat -g: state of the group, and active, (inactive), [unusable] members",
    "T120": "ipmpstat -P: colons of an IPv6 address are escaped",
    "T121": "a snapshot during a move shows the address on one NIC",
}
