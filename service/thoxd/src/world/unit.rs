//! What an engine's unit has to do with an engine that does not answer, in words.

use thox_api::UnitHealth;

/// The unit's part in it; none where it runs or was never started, which the service manager has nothing to say about.
pub(super) fn words(unit: &UnitHealth) -> Option<String> {
    let name = &unit.name;
    let how = match (unit.result.as_deref(), unit.restarts) {
        (None, 0) => String::new(),
        (None, restarts) => format!(" (restarted {restarts} times)"),
        (Some(result), 0) => format!(" ({result})"),
        (Some(result), restarts) => format!(" ({result}, restarted {restarts} times)"),
    };
    match &*unit.state {
        "failed" => Some(format!(
            "its unit {name} has failed{how}: journalctl -u {name}"
        )),
        "activating" if is_broken(unit) => Some(format!(
            "its unit {name} ends again and again{how}: journalctl -u {name}"
        )),
        "activating" => Some(format!("its unit {name} is starting")),
        "deactivating" => Some(format!("its unit {name} is stopping")),
        "inactive" => Some(format!("its unit {name} is not running")),
        _ => None,
    }
}

/// Whether somebody has to look after it.
pub(super) fn is_broken(unit: &UnitHealth) -> bool {
    let is_restarted = || unit.substate.starts_with("auto-restart") && unit.restarts > 0;
    unit.state == "failed" || unit.state == "activating" && is_restarted()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(state: &str, substate: &str, result: Option<&str>, restarts: u32) -> UnitHealth {
        UnitHealth {
            name: "ollama.service".to_owned(),
            state: state.to_owned(),
            substate: substate.to_owned(),
            result: result.map(str::to_owned),
            restarts,
        }
    }

    #[test]
    fn a_unit_says_why_its_engine_is_not_there() {
        let said = |state, substate, result, restarts| {
            let unit = unit(state, substate, result, restarts);
            (words(&unit).unwrap_or_default(), is_broken(&unit))
        };
        let (text, broken) = said("failed", "failed", Some("oom-kill"), 3);
        assert!(
            broken && text.contains("failed (oom-kill, restarted 3 times)"),
            "{text}"
        );
        let (text, broken) = said("activating", "auto-restart", Some("exit-code"), 2);
        assert!(broken && text.contains("again and again"), "{text}");
        let (text, broken) = said("activating", "start", None, 0);
        assert!(!broken && text.ends_with("is starting"), "{text}");
        assert_eq!(said("active", "running", None, 4), (String::new(), false));
        assert!(said("inactive", "dead", None, 0).0.contains("not running"));
    }
}
