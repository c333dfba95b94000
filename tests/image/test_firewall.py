"""Which ports are open, from a neighbour's place on a real network: config/nftables/thox.nft. Needs root, and nft of the
container's system (device.py makes it)."""

import os
import socket
import subprocess
import threading
import time
import unittest

from device import base, booted
from stage import ROOT

OPEN = [8080, 8443]
CLOSED = [22, 80, 8000, 9090, 11434]


class Namespace:
    """A network of its own; sockets of the thread that enters it are there."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        time.sleep(0.3)
        self.path = f"/proc/{self.holder.pid}/ns/net"

    def run(self, *command: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        whole = ["nsenter", f"--net={self.path}", *command]
        return subprocess.run(whole, text=True, capture_output=True, input=input, check=check)

    def inside(self, work):
        """In a thread, since a namespace is a thread's."""
        result = []

        def enter() -> None:
            booted.enter_network(self.path)
            try:
                result.append(work())
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return result[0]


@unittest.skipUnless(os.geteuid() == 0, "networks take root")
class Firewall(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        try:
            cls.root = base()
        except booted.Skip as reason:
            raise unittest.SkipTest(str(reason)) from reason
        cls.device, cls.neighbour = Namespace(), Namespace()
        cls.device.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", str(cls.neighbour.holder.pid))
        for place, number in ((cls.device, 1), (cls.neighbour, 2)):
            for words in (f"addr add 192.168.77.{number}/24 dev lan", f"-6 addr add fd77::{number}/64 dev lan nodad", "link set lan up", "link set lo up"):
                place.run("ip", *words.split())
        cls.listening = []
        for port in OPEN + CLOSED:
            for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                cls.listening.append(cls.device.inside(lambda f=family, h=host, p=port: cls.listen(f, socket.SOCK_STREAM, h, p)))
        cls.datagrams = {port: cls.device.inside(lambda p=port: cls.listen(socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0", p)) for port in (68, 5353, 9999)}

    @classmethod
    def tearDownClass(cls) -> None:
        for place in (cls.device, cls.neighbour):
            place.holder.kill()
            place.holder.wait()
        for one in [*cls.listening, *cls.datagrams.values()]:
            one.close()

    @staticmethod
    def listen(family: int, kind: int, host: str, port: int) -> socket.socket:
        one = socket.socket(family, kind)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
        if kind == socket.SOCK_STREAM:
            one.listen()
        one.settimeout(1)
        return one

    def nft(self, *words: str, input: str | None = None) -> str:
        return self.device.run("chroot", str(self.root), "nft", *words, input=input).stdout

    def rules(self, more: str = "") -> None:
        text = (ROOT / "config/nftables/thox.nft").read_text()
        self.nft("-f", "-", input=text.replace('include "/etc/thox/nftables.d/*.nft"', more))

    def reaches(self, port: int, host: str = "192.168.77.1", timeout: float = 0.4) -> bool:
        def connect() -> bool:
            socket.create_connection((host, port), timeout=timeout).close()
            return True

        return self.neighbour.inside(connect) is True

    def test_what_a_neighbour_reaches(self) -> None:
        self.nft("flush", "ruleset")
        self.assertTrue(all(self.reaches(port) for port in OPEN + CLOSED), "the test can tell")
        self.rules()
        for host in ("192.168.77.1", "fd77::1"):
            self.assertEqual([port for port in OPEN + CLOSED if self.reaches(port, host)], OPEN, host)

    def test_loopback_and_what_the_device_asks_for(self) -> None:
        self.rules()
        own = self.device.inside(lambda: [socket.create_connection(("127.0.0.1", port), timeout=1).close() for port in CLOSED])
        self.assertEqual(len(own), len(CLOSED))
        server = self.neighbour.inside(lambda: self.listen(socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 443))
        asked = self.device.inside(lambda: socket.create_connection(("192.168.77.2", 443), timeout=2).close())
        self.assertIsNone(asked)
        server.close()

    def test_found_and_configured(self) -> None:
        self.rules()

        def heard(port: int, source: int) -> bool:
            def send() -> None:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                    one.bind(("0.0.0.0", source))
                    one.sendto(b"x", ("192.168.77.1", port))

            self.neighbour.inside(send)
            try:
                return self.datagrams[port].recv(10) == b"x"
            except TimeoutError:
                return False

        self.assertTrue(heard(5353, 40000), "mDNS")
        self.assertTrue(heard(68, 67), "DHCP's answer")
        self.assertFalse(heard(68, 40001))
        self.assertFalse(heard(9999, 40002))

    def test_ipv6_lives(self) -> None:
        self.rules()
        # The neighbour is forgotten, so that it has to be found again.
        for place in (self.device, self.neighbour):
            place.run("ip", "-6", "neigh", "flush", "dev", "lan")
        self.assertTrue(self.reaches(8080, "fd77::1", 3))

    def test_an_owner_opens_a_port(self) -> None:
        self.rules("add element inet thox open_tcp { 9090 }")
        self.assertTrue(self.reaches(9090))
        self.rules()
        self.assertFalse(self.reaches(9090), "loaded again without it")

