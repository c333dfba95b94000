//! The rows of the design's budgets.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::Sample;
use crate::subject::Subject;

/// Everything that was measured: for each subject one sample a round, the rounds in step.
pub(crate) type Samples = BTreeMap<Subject, Vec<Sample>>;

/// What thoxd is held to in a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Budget {
    /// At most so many times what this subject needs.
    Times(f64, Subject),
    /// At most so much, in the row's unit.
    AtMost(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Pass,
    Over,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// The median over the rounds.
    pub(crate) values: BTreeMap<Subject, f64>,
    pub(crate) budget: Budget,
    /// The value that the budget speaks of: a ratio, or thoxd's figure itself.
    pub(crate) figure: f64,
    pub(crate) verdict: Verdict,
}

type Reading = fn(&Sample, &Sample) -> Option<f64>;

/// A row before it is filled: the reading takes a sample and the same round's direct sample.
struct Plan(&'static str, &'static str, Budget, Reading);

const PLANS: [Plan; 11] = [
    Plan(
        "added p50, concurrency 1",
        "µs",
        Budget::Times(1.6, Subject::Nginx),
        |sample, direct| Some(sample.p50_us - direct.p50_us),
    ),
    Plan(
        "CPU per 10,000 small requests, concurrency 32",
        "ms",
        Budget::Times(1.9, Subject::Nginx),
        |sample, _| sample.small_cpu_ms,
    ),
    Plan(
        "CPU per 10,000 streams of 64 chunks, concurrency 32",
        "ms",
        Budget::Times(1.15, Subject::Hyper),
        |sample, _| sample.stream_cpu_ms,
    ),
    Plan(
        "time to first byte of a stream, concurrency 1",
        "µs",
        Budget::Times(1.4, Subject::Nginx),
        |sample, _| Some(sample.first_byte_us),
    ),
    Plan(
        "CPU per 10,000 prompts of 32 KB, concurrency 32",
        "ms",
        Budget::Times(1.7, Subject::Nginx),
        |sample, _| sample.large_cpu_ms,
    ),
    Plan("memory, idle", "MB", Budget::AtMost(12.0), |sample, _| {
        sample.idle_mb
    }),
    Plan(
        "memory for each open stream",
        "KB",
        Budget::AtMost(30.0),
        |sample, _| sample.stream_kb,
    ),
    Plan(
        "open upstream 100 ms after the client has gone: live",
        "of 50",
        Budget::AtMost(0.0),
        |sample, _| sample.left_live,
    ),
    Plan("… silent", "of 50", Budget::AtMost(0.0), |sample, _| {
        sample.left_silent
    }),
    Plan(
        "… before the first byte",
        "of 50",
        Budget::AtMost(0.0),
        |sample, _| sample.left_prefill,
    ),
    Plan("start to READY", "ms", Budget::AtMost(50.0), |sample, _| {
        sample.start_ms
    }),
];

/// Fills the rows; a row that was not measured for thoxd or for what it is compared to is left out.
pub(crate) fn rows(samples: &Samples) -> Vec<Row> {
    PLANS.iter().filter_map(|plan| row(plan, samples)).collect()
}

fn row(&Plan(name, unit, budget, reading): &Plan, samples: &Samples) -> Option<Row> {
    let direct = samples.get(&Subject::Direct)?;
    let values: BTreeMap<Subject, f64> = samples
        .iter()
        .filter(|(subject, _)| **subject != Subject::Direct)
        .filter_map(|(subject, rounds)| {
            let readings = rounds
                .iter()
                .zip(direct)
                .filter_map(|(sample, direct)| reading(sample, direct));
            // A single request left open in a single round is one too many.
            let value = if budget == Budget::AtMost(0.0) {
                worst(readings)
            } else {
                median(readings)
            };
            Some((*subject, value?))
        })
        .collect();
    let thoxd = *values.get(&Subject::Thoxd)?;
    let (figure, limit) = match budget {
        Budget::Times(limit, base) => (thoxd / values.get(&base)?, limit),
        Budget::AtMost(limit) => (thoxd, limit),
    };
    let verdict = if figure <= limit {
        Verdict::Pass
    } else {
        Verdict::Over
    };
    Some(Row {
        name,
        unit,
        values,
        budget,
        figure,
        verdict,
    })
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(values.len() / 2 - 1)?, upper))
}

fn worst(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(p50_us: f64, cpu: f64, left: f64) -> Sample {
        Sample {
            p50_us,
            small_cpu_ms: Some(cpu),
            left_silent: Some(left),
            ..Sample::default()
        }
    }

    #[test]
    fn ratios_are_of_medians_and_what_direct_needs_is_subtracted() {
        let samples = Samples::from([
            (Subject::Direct, vec![sample(100.0, 0.0, 0.0); 3]),
            (
                Subject::Nginx,
                vec![
                    sample(150.0, 10.0, 0.0),
                    sample(140.0, 10.0, 0.0),
                    sample(900.0, 10.0, 0.0),
                ],
            ),
            (
                Subject::Thoxd,
                vec![
                    sample(160.0, 21.0, 0.0),
                    sample(175.0, 20.0, 0.0),
                    sample(180.0, 19.0, 1.0),
                ],
            ),
        ]);
        let rows = rows(&samples);
        let find = |name: &str| rows.iter().find(|row| row.name.contains(name)).unwrap();
        assert_eq!(find("p50").figure, 1.5);
        assert_eq!(find("p50").verdict, Verdict::Pass);
        assert_eq!(find("small").figure, 2.0);
        assert_eq!(find("small").verdict, Verdict::Over);
        assert_eq!(
            find("silent").verdict,
            Verdict::Over,
            "one leak in one round"
        );
        assert!(
            rows.iter().all(|row| !row.name.contains("streams of 64")),
            "hyper was not measured"
        );
    }
}
