//! `thox trust`: pins a device's TLS key.

use crate::{
    arguments::{Target, TrustArguments},
    ask,
    credentials::{self, Change, Credentials},
    device::{Address, Certificate, Device},
    failure::Failure,
    output::{self, Output},
};
use serde_json::json;

/// Looks at the key that the device shows, and pins it if it is the one that is meant.
pub(super) async fn run(
    arguments: TrustArguments,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = Device::over_tls(target)?;
    let name = device.address().map(Address::authority).unwrap_or_default();
    let url = device.url();
    let Certificate { fingerprint, names } = device.certificate().await?;
    let pinned = Credentials::load()?.of(&name).fingerprint;
    let for_names = if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(", ")
    };
    let shown = format!("certificate for: {for_names}\nfingerprint:     {fingerprint}");
    match arguments.fingerprint {
        Some(meant) if meant != fingerprint => {
            return Err(Failure::error(format!(
                "{url} is NOT the device that is meant, so nothing was pinned: its TLS key is another one\n\
                 meant: {meant}\nshown: {fingerprint}"
            ))
            .next("copy the fingerprint again from `thox status` on the device itself; if it is the same, somebody else answers in its place"));
        }
        Some(_) => {}
        None => {
            output::remark(&shown);
            if let Some(pinned) = pinned.filter(|pinned| *pinned != fingerprint) {
                output::warning(&format!(
                    "another key is pinned for {url} until now: {pinned}"
                ));
            }
            let option = format!("thox --host {url} trust {fingerprint}");
            ask::confirm(
                "Does `thox status` on the device itself show this fingerprint?",
                &option,
            )
            .await?;
        }
    }
    let file = credentials::change(&[(name, Change::Fingerprint(fingerprint))])?;
    let file = file.display();
    if target.json {
        let done = json!({
            "device": url, "tls_fingerprint": fingerprint.to_string(), "names": names, "file": file.to_string(),
        });
        return output.line(&done.to_string());
    }
    output.line(&format!("{url} is pinned in {file}: {fingerprint}"))
}
