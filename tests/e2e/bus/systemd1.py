"""A systemd for python-dbusmock: units that tests put into states, jobs that end as tests want, a record of what was asked.

dbusmock's own has no Subscribe, no RestartUnit, no ResetFailedUnit and no property of a service.
"""

import fnmatch

import dbus
from dbusmock import MOCK_IFACE, mockobject
from gi.repository import GLib

BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = "/org/freedesktop/systemd1"
MAIN_IFACE = "org.freedesktop.systemd1.Manager"
UNIT_IFACE = "org.freedesktop.systemd1.Unit"
SERVICE_IFACE = "org.freedesktop.systemd1.Service"
SYSTEM_BUS = True


def load(mock, _parameters):
    mock.units = {}
    mock.asked = []
    mock.jobs = 0
    mock.result = "done"
    mock.is_denied = False
    # Folders without which a unit does not start; what a unit does when it is started, else it runs.
    mock.conditions = {}
    mock.fates = {}


def path_of(name):
    return MAIN_OBJ + "/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)


def put(mock, name, load_state, active, sub, result, restarts):
    path = path_of(name)
    folder = mock.conditions.get(name)
    conditions = [("ConditionPathIsDirectory", False, False, folder, dbus.Int32(0))] if folder else []
    of_unit = {"Id": name, "LoadState": load_state, "ActiveState": active, "SubState": sub,
               "Conditions": dbus.Array(conditions, signature="(sbbsi)")}
    of_service = {"Result": result, "NRestarts": dbus.UInt32(restarts)}
    if name not in mock.units:
        mock.units[name] = path
        mock.AddObject(path, UNIT_IFACE, of_unit, [])
        mockobject.objects[path].AddProperties(SERVICE_IFACE, of_service)
        return
    unit = mockobject.objects[path]
    unit.UpdateProperties(UNIT_IFACE, of_unit)
    unit.UpdateProperties(SERVICE_IFACE, of_service)


def refuse_if_denied(mock):
    if mock.is_denied:
        raise dbus.exceptions.DBusException("Access denied", name="org.freedesktop.DBus.Error.AccessDenied")


def job(mock, verb, name, then):
    mock.asked.append(f"{verb} {name}")
    refuse_if_denied(mock)
    if name not in mock.units:
        raise dbus.exceptions.DBusException(f"Unit {name} not found.", name="org.freedesktop.systemd1.NoSuchUnit")
    mock.jobs += 1
    number, path = mock.jobs, f"{MAIN_OBJ}/job/{mock.jobs}"

    def ends():
        fate = mock.fates.get(name) if verb == "StartUnit" else None
        if mock.result == "done":
            put(mock, name, "loaded", *(fate or then))
        mock.EmitSignal(MAIN_IFACE, "JobRemoved", "uoss", [dbus.UInt32(number), dbus.ObjectPath(path), name, mock.result])

    GLib.timeout_add(50, ends)
    return dbus.ObjectPath(path)


@dbus.service.method(MAIN_IFACE, in_signature="", out_signature="")
def Subscribe(self):
    self.asked.append("Subscribe")


@dbus.service.method(MAIN_IFACE, in_signature="s", out_signature="o")
def LoadUnit(self, name):
    if name not in self.units:
        put(self, name, "not-found", "inactive", "dead", "success", 0)
    return dbus.ObjectPath(self.units[name])


@dbus.service.method(MAIN_IFACE, in_signature="asas", out_signature="a(ssssssouso)")
def ListUnitsByPatterns(self, states, patterns):
    listed = []
    for name, path in self.units.items():
        unit = mockobject.objects[path]
        state = unit.Get(UNIT_IFACE, "ActiveState")
        if state in states and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            none = dbus.ObjectPath("/")
            listed.append((name, "", unit.Get(UNIT_IFACE, "LoadState"), state, unit.Get(UNIT_IFACE, "SubState"), "",
                           dbus.ObjectPath(path), dbus.UInt32(0), "", none))
    return dbus.Array(listed, signature="(ssssssouso)")


@dbus.service.method(MAIN_IFACE, in_signature="s", out_signature="")
def ResetFailedUnit(self, name):
    self.asked.append(f"ResetFailedUnit {name}")
    refuse_if_denied(self)


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="o")
def StartUnit(self, name, _mode):
    return job(self, "StartUnit", name, ("active", "running", "success", 0))


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="o")
def RestartUnit(self, name, _mode):
    return job(self, "RestartUnit", name, ("active", "running", "success", 0))


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="o")
def StopUnit(self, name, _mode):
    return job(self, "StopUnit", name, ("inactive", "dead", "success", 0))


@dbus.service.method(MOCK_IFACE, in_signature="ssssu", out_signature="")
def SetUnit(self, name, active, sub, result, restarts):
    put(self, name, "loaded", active, sub, result, restarts)


@dbus.service.method(MOCK_IFACE, in_signature="ss", out_signature="")
def SetFolder(self, name, folder):
    self.conditions[str(name)] = str(folder)
    put(self, name, "loaded", "inactive", "dead", "success", 0)


@dbus.service.method(MOCK_IFACE, in_signature="ssss", out_signature="")
def SetFate(self, name, active, sub, result):
    self.fates[str(name)] = (str(active), str(sub), str(result), 0)


@dbus.service.method(MOCK_IFACE, in_signature="s", out_signature="")
def EndJobsWith(self, result):
    self.result = str(result)


@dbus.service.method(MOCK_IFACE, in_signature="b", out_signature="")
def Deny(self, is_denied):
    self.is_denied = bool(is_denied)


@dbus.service.method(MOCK_IFACE, in_signature="", out_signature="as")
def Asked(self):
    asked, self.asked = self.asked, []
    return dbus.Array(asked, signature="s")
