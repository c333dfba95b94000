"""A RAUC for python-dbusmock, field for field as RAUC 1.15 has its object: bundles that tests put there, an installation
that goes on when they say so, slots, and a record of what was asked.

What it says where it refuses is what RAUC 1.13 said, under the name that it has there.
"""

import dbus
from dbusmock import MOCK_IFACE

BUS_NAME = "de.pengutronix.rauc"
MAIN_OBJ = "/"
MAIN_IFACE = "de.pengutronix.rauc.Installer"
SYSTEM_BUS = True

ERROR = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code30"


def load(mock, _parameters):
    mock.asked = []
    mock.bundles = {}
    mock.under_way = None
    # RAUC before 1.14 knows no require-manifest-hash.
    mock.is_old = False
    mock.primary = "rootfs.0"
    mock.slots = {
        "rootfs.0": {"bootname": "A", "state": "booted", "boot-status": "good"},
        "rootfs.1": {"bootname": "B", "state": "inactive", "boot-status": "good"},
    }
    mock.AddProperties(
        MAIN_IFACE,
        dbus.Dictionary(
            {
                "Operation": "idle",
                "LastError": "",
                "Progress": progress(0, ""),
                "Compatible": "thox-test",
                "Variant": "",
                "SystemVersion": "",
                "BootSlot": "A",
            },
            signature="sv",
        ),
    )


def progress(percent, step):
    return dbus.Struct((dbus.Int32(percent), dbus.String(step), dbus.Int32(1)), signature="isi")


def tell(mock, changes):
    """Dbusmock's own UpdateProperties takes no structure."""
    mock.props[MAIN_IFACE].update(changes)
    told = [MAIN_IFACE, dbus.Dictionary(changes, signature="sv"), dbus.Array([], signature="s")]
    mock.EmitSignal(dbus.PROPERTIES_IFACE, "PropertiesChanged", "sa{sv}as", told)


def refuse(text):
    raise dbus.exceptions.DBusException(text, name=ERROR)


def must_be_idle(mock):
    if mock.under_way:
        refuse("already processing a different method")


def read(mock, source):
    if source not in mock.bundles:
        refuse(f"Invalid bundle format: Failed to open bundle for reading: Error opening file {source}: No such file or directory")
    version, compatible, is_signed = mock.bundles[source]
    if not is_signed:
        refuse("signature verification failed: Verify error: self-signed certificate")
    return version, compatible


def hash_of(version):
    return f"{version}-".encode().hex().ljust(64, "0")


@dbus.service.method(MAIN_IFACE, in_signature="sa{sv}", out_signature="a{sv}")
def InspectBundle(self, source, args):
    self.asked.append(f"InspectBundle {source}")
    must_be_idle(self)
    if args:
        refuse(f"Unsupported key: {next(iter(args))}")
    version, compatible = read(self, str(source))
    update = {"compatible": compatible, "version": version, "description": "", "build": ""}
    # RAUC puts a variant into the variant.
    return dbus.Dictionary(
        {
            "manifest-hash": hash_of(version),
            "update": dbus.Dictionary(update, signature="sv", variant_level=2),
            "bundle": dbus.Dictionary({"format": "verity"}, signature="sv", variant_level=2),
        },
        signature="sv",
    )


@dbus.service.method(MAIN_IFACE, in_signature="sa{sv}", out_signature="")
def InstallBundle(self, source, args):
    self.asked.append(f"InstallBundle {source} {' '.join(sorted(args))}".strip())
    if self.under_way:
        refuse("Already processing a different method")
    if self.is_old and "require-manifest-hash" in args:
        refuse("Unsupported key: require-manifest-hash")
    self.under_way = (str(source), str(args.get("require-manifest-hash", "")))
    tell(self, {"Operation": "installing", "LastError": "", "Progress": progress(0, "Installing")})


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="ss")
def Mark(self, state, identifier):
    self.asked.append(f"Mark {state} {identifier}")
    must_be_idle(self)
    booted = next(name for name, slot in self.slots.items() if slot["state"] == "booted")
    other = next(name for name in self.slots if name != booted)
    name = {"booted": booted, "other": other}.get(str(identifier), str(identifier))
    if name not in self.slots:
        refuse(f"No slot with class rootfs and name {identifier} found")
    if state == "active":
        self.primary = name
        return name, f"activated slot {name}"
    self.slots[name]["boot-status"] = str(state)
    return name, f"marked slot {name} as {state}"


@dbus.service.method(MAIN_IFACE, in_signature="", out_signature="a(sa{sv})")
def GetSlotStatus(self):
    must_be_idle(self)
    self.asked.append("GetSlotStatus")
    told = []
    for name, slot in reversed(self.slots.items()):
        fields = {"class": "rootfs", "device": f"/dev/{name}", "type": "ext4", **slot}
        told.append((name, dbus.Dictionary(fields, signature="sv")))
    told.append(("data.0", dbus.Dictionary({"class": "data", "state": "inactive"}, signature="sv")))
    return dbus.Array(told, signature="(sa{sv})")


@dbus.service.method(MAIN_IFACE, in_signature="", out_signature="s")
def GetPrimary(self):
    must_be_idle(self)
    return self.primary


@dbus.service.method(MOCK_IFACE, in_signature="sssb", out_signature="")
def PutBundle(self, source, version, compatible, is_signed):
    self.bundles[str(source)] = (str(version), str(compatible), bool(is_signed))


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def RemoveBundle(self, source):
    del self.bundles[str(source)]


@dbus.service.method(MOCK_IFACE, in_signature="is", out_signature="")
def Further(self, percent, step):
    tell(self, {"Progress": progress(percent, step)})


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def EndWith(self, error):
    """Ends the installation; an empty text is success."""
    (source, manifest), self.under_way = self.under_way, None
    target = next(name for name, slot in self.slots.items() if slot["state"] != "booted")
    if not error:
        version = self.bundles[source][0]
        assert manifest in ("", hash_of(version)), manifest
        self.slots[target].update({"bundle.version": version, "bundle.hash": hash_of(version), "status": "ok", "boot-status": "good"})
        self.primary = target
    tell(self, {"LastError": str(error), "Progress": progress(100, "Installing done.")})
    self.EmitSignal(MAIN_IFACE, "Completed", "i", [dbus.Int32(1 if error else 0)])
    tell(self, {"Operation": "idle"})


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def Boot(self, bootname):
    """As after a restart of the device with this slot."""
    self.under_way = None
    for slot in self.slots.values():
        slot["state"] = "booted" if slot["bootname"] == bootname else "inactive"
    tell(self, {"BootSlot": str(bootname), "Operation": "idle", "LastError": "", "Progress": progress(0, "")})


@dbus.service.method(MOCK_IFACE, in_signature="ss", out_signature="")
def Judge(self, bootname, state):
    """As `rauc status mark-good` and mark-bad do, without a word on the bus."""
    for slot in self.slots.values():
        if slot["bootname"] == bootname:
            slot["boot-status"] = str(state)


@dbus.service.method(MOCK_IFACE, in_signature="b", out_signature="")
def BeOld(self, is_old):
    self.is_old = bool(is_old)


@dbus.service.method(MOCK_IFACE, in_signature="", out_signature="as")
def Asked(self):
    asked, self.asked = self.asked, []
    return dbus.Array(asked, signature="s")
