//! Links that come after thoxd, and a machine that slept while the network went on.

use super::{
    BOUND, CONFLICT, START, addresses,
    lan::{Lan, is_possible},
    settled, within_time,
};
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn a_link_that_comes_later_is_told_on() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.bare_host();
    let _thoxd = host.thoxd();
    within_time("the device listens, on no network", START, || {
        host.name().is_some()
    });
    assert!(addresses(lan.hub(), "thox.local").is_empty());
    lan.plug_in(&host);
    within_time("the device is found on its new link", BOUND, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    let by_address = format!("{}:8080", host.address);
    assert_eq!(host.status_under(&by_address), Some(503));
}

/// A C library's `clock_gettime` in whose time the machine has slept for an hour once a file is there. No namespace can do
/// that to a program that runs: its clocks are set before it starts (time_namespaces(7)).
const CLOCK: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    const char *file = getenv("SLEPT_FILE");
    if (result == 0 && clock == CLOCK_BOOTTIME && file && access(file, F_OK) == 0)
        now->tv_sec += 3600;
    return (int)result;
}
"#;

fn clock(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, CLOCK).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(compiled.unwrap().success());
    library
}

#[test]
fn a_machine_that_slept_asks_whether_its_name_is_still_free() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.host();
    let slept = lan.folder().join("slept");
    let thoxd = host
        .builder()
        .environment("LD_PRELOAD", &clock(lan.folder()).display().to_string())
        .environment("SLEPT_FILE", &slept.display().to_string())
        .spawn();
    within_time("the device is found", START, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    // It hears nothing of the one that takes its name meanwhile.
    lan.deafen(&host);
    let (other, _two) = settled(&mut lan, "thox.local");
    assert_eq!(host.name().as_deref(), Some("thox.local"));
    lan.undeafen(&host);
    fs::write(&slept, "").unwrap();
    // In the place of the clock's own report, which takes a machine that really sleeps: thoxd looks at the clocks at each.
    host.ip("addr add 127.0.0.9/8 dev lo");
    within_time("the device has another name", CONFLICT, || {
        host.name().as_deref() == Some("thox-2.local")
    });
    assert!(thoxd.log().contains("the machine has slept"));
    within_time("the device is found by it", BOUND, || {
        addresses(lan.hub(), "thox-2.local") == [IpAddr::from(host.address)]
    });
    assert_eq!(
        addresses(lan.hub(), "thox.local"),
        [IpAddr::from(other.address)]
    );
}
