"""The keys of a build: what yocto/keys makes is what a device trusts, a bundle's signature as well as a capsule's root."""

import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from stage import ROOT

CAPSULE_ROOT = ROOT / "meta-thox/recipes-bsp/uefi/files/capsule-root"


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="thox-keys-")
        cls.addClassCleanup(folder.cleanup)
        cls.keys = Path(folder.name) / "keys"
        subprocess.run([ROOT / "yocto/keys", cls.keys], check=True, stdout=subprocess.DEVNULL)

    def openssl(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["openssl", *map(str, words)], cwd=self.keys, text=True, capture_output=True, check=False)

    def test_both_chains_hold(self) -> None:
        for words in (("-CAfile", "ca.cert.pem", "update.cert.pem"),
                      ("-CAfile", "capsule-root.pub.pem", "-untrusted", "capsule-intermediate.pub.pem", "capsule-signer.cert.pem")):  # fmt: skip
            done = self.openssl("verify", "-x509_strict", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.openssl("verify", "-CAfile", "capsule-root.pub.pem", "update.cert.pem").returncode, 0)

    def test_a_capsules_signature_is_the_roots(self) -> None:
        """As EDK2's GenerateCapsule signs and FmpAuthenticationLibPkcs7 looks."""
        (self.keys / "payload").write_bytes(b"firmware" * 999)
        signed = self.openssl("smime", "-sign", "-binary", "-outform", "DER", "-md", "sha256", "-signer", "capsule-signer.pem",
                              "-certfile", "capsule-intermediate.pub.pem", "-in", "payload", "-out", "payload.p7")  # fmt: skip
        self.assertEqual(signed.returncode, 0, signed.stderr)
        for root, holds in (("capsule-root.pub.pem", True), ("update-ca.cert.pem", False)):
            done = self.openssl("smime", "-verify", "-inform", "DER", "-in", "payload.p7", "-content", "payload", "-CAfile", root,
                                "-purpose", "any", "-out", "/dev/null")  # fmt: skip
            self.assertEqual(done.returncode == 0, holds, done.stderr)

    def test_the_firmwares_root_is_the_one_in_the_keys(self) -> None:
        said = subprocess.run([CAPSULE_ROOT, self.keys / "capsule-root.pub.pem"], text=True, capture_output=True, check=True).stdout
        name, value = said.strip().split("|")
        self.assertEqual(name, "gFmpDevicePkgTokenSpaceGuid.PcdFmpDevicePkcs7CertBufferXdr")
        content = bytes(int(byte, 16) for byte in value.strip("{}").split(", "))
        certificate = ssl.PEM_cert_to_DER_cert((self.keys / "capsule-root.pub.pem").read_text())
        self.assertEqual(int.from_bytes(content[:4], "big"), len(certificate))
        self.assertEqual(content[4 : 4 + len(certificate)], certificate)
        self.assertEqual(content[4 + len(certificate) :], bytes(-len(certificate) % 4))

    def test_what_is_no_certificate_is_refused(self) -> None:
        for file, why in ((self.keys / "capsule-root.key.pem", "no certificate"), (self.keys / "none", "No such file")):
            done = subprocess.run([CAPSULE_ROOT, file], text=True, capture_output=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)

    def test_keys_are_not_made_over_others(self) -> None:
        self.assertEqual(subprocess.run([ROOT / "yocto/keys", self.keys], capture_output=True, check=False).returncode, 1)
