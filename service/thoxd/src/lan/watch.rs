//! Tells when to look again: the kernel reports addresses, links and cables (rtnetlink(7)) and the machine's waking up
//! (timerfd_create(2)). Nothing is asked in between.

use nix::{
    libc,
    sys::{
        socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket},
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    time::clock_gettime,
};
use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};
use tokio::{net::unix::pipe::Receiver as Source, time::sleep};

/// In case the kernel's reports are lost; what they tell is known within milliseconds.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Where there are no reports at all.
const LOOK_WITHOUT_REPORTS_EVERY: Duration = Duration::from_secs(2);

/// Less than this between two clocks is the time between reading them.
const SHORTEST_SLEEP: Duration = Duration::from_millis(500);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Links or addresses may have changed.
    MayHaveChanged,
    /// The machine has slept.
    Woke,
}

/// Where the kernel's reports arrive. tokio's pipe is what reads any descriptor that read(2) reads: its own type for
/// those, `AsyncFd`, asks for unsafe code.
pub(super) struct Watch {
    reports: Option<Source>,
    clock: Option<Clock>,
    time_asleep: TimeAsleep,
    /// At the last event.
    asleep: Duration,
}

/// Tells how long the machine has been asleep since it was switched on.
pub(super) type TimeAsleep = fn() -> Duration;

impl Watch {
    /// Begins to listen; must be called within the runtime.
    pub(super) fn new(time_asleep: TimeAsleep) -> Self {
        let reports = reports();
        if let Err(error) = &reports {
            tracing::warn!(%error, "the kernel does not report changes of the network: it is asked every {LOOK_WITHOUT_REPORTS_EVERY:?}");
        }
        let clock = Clock::new();
        if let Err(error) = &clock {
            tracing::warn!(%error, "the kernel does not report that the machine woke up: that is noticed within {LOOK_AT_LEAST_EVERY:?}");
        }
        Self {
            reports: reports.ok(),
            clock: clock.ok(),
            time_asleep,
            asleep: time_asleep(),
        }
    }

    /// Ready when it is time to look.
    pub(super) async fn event(&mut self) -> Event {
        let pause = match &self.reports {
            Some(_) => LOOK_AT_LEAST_EVERY,
            None => LOOK_WITHOUT_REPORTS_EVERY,
        };
        let reported = async {
            match &self.reports {
                Some(reports) => drain(reports).await,
                None => std::future::pending().await,
            }
        };
        let stepped = async {
            match &self.clock {
                Some(clock) => clock.step().await,
                None => std::future::pending().await,
            }
        };
        // A source that fails is not asked again, or it would be asked without end.
        tokio::select! {
            reported = reported => if let Err(error) = reported {
                tracing::warn!(%error, "the kernel no longer reports changes of the network");
                self.reports = None;
            },
            stepped = stepped => if let Err(error) = stepped {
                tracing::warn!(%error, "the kernel no longer reports that the machine woke up");
                self.clock = None;
            },
            () = sleep(pause) => {}
        }
        let asleep = (self.time_asleep)();
        let has_slept = asleep.saturating_sub(self.asleep) > SHORTEST_SLEEP;
        self.asleep = asleep;
        if has_slept {
            Event::Woke
        } else {
            Event::MayHaveChanged
        }
    }
}

fn reports() -> io::Result<Source> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
    let groups = u32::try_from(groups).unwrap_or_default();
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Source::from_owned_fd_unchecked(socket)
}

/// A timer that is never due, and that is cancelled when the clock is set, as it is when the machine wakes up.
struct Clock {
    timer: TimerFd,
    source: Source,
}

/// In the year 2286.
const NEVER: TimeSpec = TimeSpec::new(9_999_999_999, 0);

impl Clock {
    fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        let source = Source::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        let clock = Self { timer, source };
        clock.arm()?;
        Ok(clock)
    }

    fn arm(&self) -> io::Result<()> {
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        Ok(self.timer.set(Expiration::OneShot(NEVER), flags)?)
    }

    async fn step(&self) -> io::Result<()> {
        drain(&self.source).await?;
        self.arm()
    }
}

/// Waits until there is something to be read and reads it all. What it says is of no interest: the look that follows
/// sees it.
async fn drain(source: &Source) -> io::Result<()> {
    source.readable().await?;
    let mut report = [0; 8192];
    loop {
        match source.try_read(&mut report) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                // Reports that were lost are as good as reports; a timer that was cancelled says so.
                Some(libc::ENOBUFS | libc::ECANCELED) => {}
                Some(libc::EAGAIN) => return Ok(()),
                _ if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                _ => return Err(error),
            },
        }
    }
}

/// As the kernel has it: one clock counts that time and the other does not.
pub(super) fn time_asleep() -> Duration {
    let read = |clock| clock_gettime(clock).map(Duration::from);
    let all = read(nix::time::ClockId::CLOCK_BOOTTIME);
    let awake = read(nix::time::ClockId::CLOCK_MONOTONIC);
    match (all, awake) {
        (Ok(all), Ok(awake)) => all.saturating_sub(awake),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn a_look_is_not_asked_for_while_nothing_happens() {
        let mut watch = Watch::new(time_asleep);
        assert!(watch.reports.is_some() && watch.clock.is_some());
        // Whatever was under way when it began.
        while tokio::time::timeout(Duration::from_millis(200), watch.event())
            .await
            .is_ok()
        {}
        let quiet = tokio::time::timeout(Duration::from_millis(300), watch.event()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }

    #[test]
    fn time_asleep_does_not_grow_while_awake() {
        let before = time_asleep();
        std::thread::sleep(Duration::from_millis(20));
        assert!(time_asleep().saturating_sub(before) < SHORTEST_SLEEP);
    }

    #[tokio::test(start_paused = true)]
    async fn time_asleep_is_told_once_and_the_time_between_two_clocks_is_none() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        let mut watch = Watch::new(|| Duration::from_millis(ASLEEP.load(Ordering::SeqCst)));
        for (asleep, event) in [
            (0, Event::MayHaveChanged),
            (400, Event::MayHaveChanged),
            (400 + 501, Event::Woke),
            (901, Event::MayHaveChanged),
            (901 + 3_600_000, Event::Woke),
        ] {
            ASLEEP.store(asleep, Ordering::SeqCst);
            assert_eq!(watch.event().await, event, "{asleep} ms");
        }
    }
}
