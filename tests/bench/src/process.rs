//! What a process and its children have used: CPU time and memory, as the kernel counts them.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// CPU time of a process, its threads and its children, in nanosecond steps.
///
/// From `schedstat`, not from `stat`, which counts in ticks of 10 ms. A thread that has ended is not
/// in it; the proxies measured here keep theirs.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for process in tree(pid)? {
        let tasks = fs::read_dir(format!("/proc/{process}/task"))
            .with_context(|| format!("process {process} has ended"))?;
        for task in tasks {
            let task = task?.path();
            let statistics = match fs::read_to_string(task.join("schedstat")) {
                Ok(statistics) => statistics,
                // The thread has ended since the folder was read.
                Err(_) if !task.exists() => continue,
                Err(error) => {
                    return Err(error).context(
                        "no scheduler statistics: a kernel with CONFIG_SCHED_INFO is needed",
                    );
                }
            };
            let running = statistics
                .split_whitespace()
                .next()
                .context("an empty schedstat")?;
            total += Duration::from_nanos(running.parse()?);
        }
    }
    Ok(total)
}

/// Resident memory in bytes of a process and its children.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for process in tree(pid)? {
        let status = fs::read_to_string(format!("/proc/{process}/status"))
            .with_context(|| format!("process {process} has ended"))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.split_whitespace().next())
            .context("no VmRSS")?;
        total += kilobytes.parse::<u64>()? * 1024;
    }
    Ok(total)
}

/// The process and, one level down, its children: as deep as nginx goes.
fn tree(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut processes = vec![pid];
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .with_context(|| format!("process {pid} has ended"))?;
    for child in children.split_whitespace() {
        processes.push(child.parse()?);
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    #[test]
    fn work_shows_as_cpu_time_and_memory() {
        let pid = std::process::id();
        let before = super::cpu(pid).unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        let mut sum = 0u64;
        // Work until it shows: on a busy machine a fixed time may pass without any of it being ours.
        // The time of another test's thread goes with it.
        while super::cpu(pid).unwrap().saturating_sub(before) < Duration::from_millis(5) {
            assert!(Instant::now() < limit);
            for number in 0..100_000 {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
            }
        }
        assert!(super::resident_bytes(pid).unwrap() > 500_000);
    }
}
