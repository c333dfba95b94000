//! `thox claim`: how a device gets its first admin.

use super::{keys::NewKey, status::STATUS, words};
use crate::{
    arguments::{ClaimArguments, Target},
    ask,
    credentials::{self, Change, Credentials},
    device::{Address, Certificate, Device, Scheme},
    failure::{Exit, Failure},
    fingerprint::Fingerprint,
    output::{self, Output, remark},
};
use http::Method;
use serde_json::json;
use thox_api::{Claim, DeviceStatus};

/// Takes the device over.
pub(super) async fn claim(
    arguments: ClaimArguments,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = recognised(Device::find(target).await?, arguments.fingerprint).await?;
    let Some(address) = device.address().cloned() else {
        return Err(Failure::error("a device is claimed over the network"));
    };
    let code = match arguments.code {
        Some(code) => Some(code),
        None => {
            ask::line(&format!(
                "The claim code of {address} (thox claim-code on the device shows it):"
            ))
            .await?
        }
    };
    let code = code
        .map(|code| code.trim().to_owned())
        .filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| {
        Failure::with(Exit::Usage, "there is no claim code")
            .next("thox claim CODE; the device itself shows it: thox claim-code")
    })?;
    // The key is given only once: it must be known before that it can be kept.
    credentials::prepare()?;
    let name = arguments.name.unwrap_or_else(words::this_user);
    let wanted = Claim {
        code,
        name: Some(name),
    };
    let (_, new) = device
        .send::<NewKey>(Method::POST, "/thox/v1/claim", &wanted)
        .await?;
    let mut own = vec![(address.authority(), Change::Key(Some(new.key.clone())))];
    own.extend(
        device
            .pin()
            .map(|pin| (address.authority(), Change::Fingerprint(pin))),
    );
    let file = match credentials::change(&own) {
        Ok(file) => file.display().to_string(),
        Err(failure) => {
            output.line(new.key.expose())?;
            remark(
                "The device is claimed, but its admin key could not be stored: it is printed above, and not to be had again.",
            );
            return Err(failure);
        }
    };
    let pinned = pin(&device, &address, &new).await;
    let secure = pinned.as_deref().unwrap_or_default();
    report(&file, secure, &address, &new, target.json, output)?;
    pinned.map(drop)
}

/// The device, once it is known over TLS that it is the one that is meant: by a pin, an authority, the fingerprint that
/// was typed, or a person who compares. Before that it does not get the code. Over plain HTTP there is nothing to compare.
async fn recognised(device: Device, typed: Option<Fingerprint>) -> Result<Device, Failure> {
    let is_open = device
        .address()
        .is_some_and(|address| address.scheme() == Scheme::Http);
    match typed {
        Some(_) if is_open => Err(Failure::with(
            Exit::Usage,
            format!(
                "{} shows no certificate, so there is no fingerprint",
                device.url()
            ),
        )
        .next("name the device's TLS port: --host https://NAME")),
        Some(fingerprint) => Ok(device.pinned(fingerprint)),
        None if is_open || device.pin().is_some() => Ok(device),
        None => {
            let Err(unknown) = device.health().await else {
                return Ok(device);
            };
            if !ask::is_person() {
                return Err(unknown);
            }
            let Certificate { fingerprint, .. } = device.certificate().await?;
            remark(&format!("fingerprint: {fingerprint}"));
            ask::confirm(
                "Does the device's console, or `thox status` on it, show this fingerprint?",
                "thox claim --fingerprint FINGERPRINT",
            )
            .await?;
            Ok(device.pinned(fingerprint))
        }
    }
}

/// Where the device speaks TLS, and its own key where that was pinned.
type Place = (Address, Option<Fingerprint>);

/// Stores the key for the device's TLS ports, and pins their key. A plain address only leads there from now on: nothing
/// shall go readable over the network to a device that can do better.
async fn pin(device: &Device, address: &Address, new: &NewKey) -> Result<Vec<Place>, Failure> {
    let device = device.clone().with_key(&new.key)?;
    let Ok((_, DeviceStatus { tls: Some(tls), .. })) = device.get(STATUS).await else {
        return Ok(Vec::new());
    };
    let told: Fingerprint = tls.fingerprint.parse().map_err(|error| {
        Failure::error(format!(
            "nothing is pinned, because the device's TLS fingerprint cannot be read: {error}"
        ))
    })?;
    let known = Credentials::load()?;
    let mut secure = Vec::new();
    for port in tls.ports {
        let place = address.over_tls_at(port);
        let name = place.authority();
        let pinned = known.of(&name).fingerprint;
        if pinned.is_some_and(|pinned| pinned != told) {
            output::warning(&format!(
                "another TLS key is pinned for {place}, and stays so; if the device has a new one: thox --host {place} trust"
            ));
            continue;
        }
        // A pin would break with the next renewal of what an authority vouches for.
        let pin = (!device.is_vouched_for()).then_some(told);
        let mut changes = vec![(name.clone(), Change::Key(Some(new.key.clone())))];
        changes.extend(pin.map(|pin| (name, Change::Fingerprint(pin))));
        if secure.is_empty() && address.scheme() == Scheme::Http {
            changes.push((address.authority(), Change::Key(None)));
            changes.push((address.authority(), Change::TlsPort(port)));
        }
        credentials::change(&changes)?;
        secure.push((place, pin));
    }
    Ok(secure)
}

fn report(
    file: &str,
    secure: &[Place],
    address: &Address,
    new: &NewKey,
    is_json: bool,
    output: Output,
) -> Result<(), Failure> {
    let first = secure.first();
    if is_json {
        let urls: Vec<String> = secure.iter().map(|(place, _)| place.to_string()).collect();
        let pin = first.and_then(|(_, pin)| *pin).map(|pin| pin.to_string());
        // Without the key: it is in the file.
        let done = json!({
            "device": address.to_string(), "id": new.info.id, "name": new.info.name,
            "prefix": new.info.prefix, "scope": new.info.scope, "file": file,
            "tls": urls, "tls_fingerprint": pin,
        });
        output.line(&done.to_string())?;
    } else {
        output.line(&format!(
            "{address} is yours. Its admin key `{}` is stored in {file}.",
            new.info.name
        ))?;
        if let Some((place, Some(pin))) = first {
            output.line(&format!("TLS: {place}, whose key is pinned: {pin}"))?;
        }
    }
    let was_readable = address.scheme() == Scheme::Http && !address.is_loopback();
    match first {
        Some((place, _)) if was_readable => remark(&format!(
            "The key came over plain HTTP. Where others could listen, take another over TLS: thox --host {place} auth rotate-key {}",
            new.info.id
        )),
        None if was_readable => {
            output::warning(
                "TLS is off, so keys travel readable over the network; switch it on: tls.enabled",
            );
        }
        _ => {}
    }
    Ok(())
}
