//! `thox claim-code`: how the owner of a new device sees its code, where he sits or stands.

use super::{
    print_json,
    qr::{self, Ink},
};
use crate::{
    arguments::{ClaimCodeArguments, Target},
    console,
    device::{ALREADY_CLAIMED, Device, Reply},
    failure::{Exit, Failure},
    output::{Output, remark},
};
use std::time::Duration;
use thox_api::ClaimCode;
use tokio::time::Instant;

/// Between two looks for a thoxd that is not there yet.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Shows the code of the device on this machine.
pub(super) async fn run(
    arguments: ClaimCodeArguments,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    if let Some(places) = arguments.console {
        return on_consoles(places, arguments.wait, target).await;
    }
    let (reply, found) = ask(target).await?;
    if target.json {
        print_json(&reply, output)?;
        return match found.code {
            Some(_) => Ok(()),
            None => Err(Failure::Silent(Exit::Error)),
        };
    }
    let code = match (&found.code, found.claimed) {
        (Some(code), _) => code,
        (None, true) => {
            return Err(
                Failure::error("the device is claimed already, so there is no code")
                    .next(ALREADY_CLAIMED),
            );
        }
        (None, false) => {
            return Err(
                Failure::error("the device has no claim code").next("restart thoxd: it makes one")
            );
        }
    };
    output.line(code)?;
    if arguments.qr {
        let ink = if output.has_colour {
            Ink::Coloured
        } else {
            Ink::Plain
        };
        let page = page(&found)?;
        output.raw(format!("\n{}\n", qr::lines(page, ink)?.join("\n")).as_bytes())?;
        remark(page);
        if let Some(fingerprint) = &found.tls_fingerprint {
            remark(&format!("TLS fingerprint: {fingerprint}"));
        }
    }
    remark("On your own machine: thox --host NAME claim CODE. The code is good for one claim.");
    Ok(())
}

async fn ask(target: &Target) -> Result<(Reply, ClaimCode), Failure> {
    let device = Device::on_this_machine(target).await?;
    device.get("/thox/v1/claim-code").await
}

/// Writes all that it takes to claim the device on its consoles. Nothing once it is claimed.
async fn on_consoles(
    places: Vec<std::path::PathBuf>,
    wait: Duration,
    target: &Target,
) -> Result<(), Failure> {
    let found = when_there(wait, target).await?;
    let Some(code) = &found.code else {
        return Ok(());
    };
    let text = notice(&found, code)?;
    console::show(places, &text).await
}

/// Asks until thoxd is there: at boot it starts beside the command.
async fn when_there(wait: Duration, target: &Target) -> Result<ClaimCode, Failure> {
    let end = Instant::now() + wait;
    loop {
        match ask(target).await {
            Ok((_, found)) => return Ok(found),
            Err(Failure::Told {
                exit: Exit::Unreachable,
                ..
            }) if Instant::now() + LOOK_EVERY < end => tokio::time::sleep(LOOK_EVERY).await,
            Err(failure) => return Err(failure),
        }
    }
}

fn page(found: &ClaimCode) -> Result<&str, Failure> {
    found.page.as_deref().ok_or_else(|| {
        Failure::error("the device has no page to claim it on, so there is no QR code")
            .next("it serves no address: look at server.listen and tls.enabled")
    })
}

/// Code, address, fingerprint and QR code, as they stand on a screen of 80 by 25.
fn notice(found: &ClaimCode, code: &str) -> Result<String, Failure> {
    let mut text = format!("\nThis Thox device belongs to nobody yet. Its claim code: {code}\n");
    if let Some(page) = &found.page {
        let host = page
            .split_once("/#")
            .map_or(page.as_str(), |(host, _)| host);
        text += &format!("Claim it:  thox --host {host} claim {code}\n      or:  {page}\n");
    }
    if let Some(fingerprint) = &found.tls_fingerprint {
        text += &format!("TLS key:   {fingerprint}\n");
    }
    if let Some(page) = &found.page {
        text += &qr::lines(page, Ink::Coloured)?.join("\n");
        text.push('\n');
    }
    Ok(text)
}
