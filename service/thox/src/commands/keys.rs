//! `thox auth generate-key`, `list-keys`, `revoke-key`, `rotate-key`. A new key stands alone on the standard output, so
//! that a script can take it; what there is to say about it goes to the standard error.

use super::{print_json, which, words};
use crate::{
    arguments::KeyOptions,
    credentials::{self, Change, Credentials},
    device::{Device, escaped},
    failure::Failure,
    output::{self, Cell, Output, remark},
    secret::Secret,
};
use http::Method;
use serde::Deserialize;
use thox_api::{KeyDeleted, KeyInfo, KeyList, MakeKey, Scope};

const KEYS: &str = "/thox/v1/keys";

/// A prefix shorter than this (`sk-` and a little) could be that of somebody else's key.
const TELLING_PREFIX: usize = 8;

/// `thox_api::NewKey`, whose key does not show itself.
#[derive(Debug, Deserialize)]
pub(super) struct NewKey {
    pub(super) key: Secret,
    /// That others could read it on its way.
    #[serde(default)]
    warning: Option<String>,
    #[serde(flatten)]
    pub(super) info: KeyInfo,
}

/// Makes a key.
pub(super) async fn generate(
    device: &Device,
    name: String,
    options: &KeyOptions,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let wanted = MakeKey {
        name,
        scope: Some(options.scope.into()),
        expires_in: options.expires.map(|span| span.as_secs()),
        requests_per_minute: options.rpm,
        tokens_per_minute: options.tpm,
        class: Some(options.class.into()),
    };
    let (reply, new) = device.send::<NewKey>(Method::POST, KEYS, &wanted).await?;
    if is_json {
        return print_json(&reply, output);
    }
    output.line(new.key.expose())?;
    introduce(&new);
    Ok(())
}

/// Lists the keys.
pub(super) async fn list(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, keys) = device.get::<KeyList>(KEYS).await?;
    if is_json {
        return print_json(&reply, output);
    }
    if keys.data.is_empty() {
        return output.line("There are no keys. Make one: thox auth generate-key --name NAME");
    }
    let heading = [
        "NAME",
        "PREFIX",
        "SCOPE",
        "CREATED",
        "LAST USED",
        "EXPIRES",
        "ID",
    ];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for key in &keys.data {
        rows.push(vec![
            key.name.as_str().into(),
            key.prefix.as_str().into(),
            scope(key.scope).into(),
            words::ago(key.created).into(),
            key.last_used
                .map_or_else(|| "never".to_owned(), words::ago)
                .into(),
            expiry(key.expires).into(),
            key.id.as_str().into(),
        ]);
    }
    output.table(&rows)
}

/// Refuses a key from now on.
pub(super) async fn revoke(
    device: &Device,
    wanted: &Secret,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let key = find(device, wanted).await?;
    let path = format!("{KEYS}/{}", escaped(&key.id));
    let (reply, _) = device.delete::<KeyDeleted>(&path).await?;
    if is_json {
        print_json(&reply, output)?;
    } else {
        output.line(&format!(
            "The key `{}` ({}…) is refused from now on.",
            key.name, key.prefix
        ))?;
    }
    for own in stored_at(device, &key.prefix)? {
        remark(&format!(
            "It was thox's own key for {own}: thox --host {own} config set api.key - stores another."
        ));
    }
    Ok(())
}

/// Replaces a key by a new one with the same rights, here too where it was thox's own.
pub(super) async fn rotate(
    device: &Device,
    wanted: &Secret,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let old = find(device, wanted).await?;
    let path = format!("{KEYS}/{}/rotate", escaped(&old.id));
    let nothing = serde_json::Map::new();
    let (reply, new) = device.send::<NewKey>(Method::POST, &path, &nothing).await?;
    // Before anything else can fail: it is not to be had again.
    if is_json {
        print_json(&reply, output)?;
    } else {
        output.line(new.key.expose())?;
        introduce(&new);
        remark(&format!(
            "The old one ({}…) is refused from now on.",
            old.prefix
        ));
    }
    let own = stored_at(device, &old.prefix)?;
    if !own.is_empty() {
        let change = |device: &String| (device.clone(), Change::Key(Some(new.key.clone())));
        let changes: Vec<_> = own.iter().map(change).collect();
        credentials::change(&changes)?;
        remark(&format!(
            "It was thox's own key for {}: the new one is stored.",
            own.join(", ")
        ));
    }
    Ok(())
}

/// What is known of a key, for a person.
fn introduce(new: &NewKey) {
    let KeyInfo {
        name,
        id,
        scope: of,
        expires,
        ..
    } = &new.info;
    let scope = scope(*of);
    let expires = match expiry(*expires).as_str() {
        "never" => "never expires".to_owned(),
        left => format!("expires {left}"),
    };
    remark(&format!(
        "The key `{name}` ({scope}, {expires}, id {id}) is shown this once: keep it now."
    ));
    if let Some(warning) = &new.warning {
        output::warning(warning);
    }
}

async fn find(device: &Device, wanted: &Secret) -> Result<KeyInfo, Failure> {
    let (_, keys) = device.get::<KeyList>(KEYS).await?;
    which::key(keys.data, wanted)
}

/// Where this user has a key that begins so. A device on the network says nothing about the keys of another host.
fn stored_at(device: &Device, prefix: &str) -> Result<Vec<String>, Failure> {
    if prefix.len() < TELLING_PREFIX {
        return Ok(Vec::new());
    }
    let host = |place: &str| place.rsplit_once(':').map(|(host, _)| host.to_owned());
    let asked = device.address().map(|address| host(&address.authority()));
    let mut found = Credentials::load()?.with_key_like(prefix);
    found.retain(|place| asked.as_ref().is_none_or(|asked| *asked == host(place)));
    Ok(found)
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Inference => "inference",
        Scope::Admin => "admin",
    }
}

fn expiry(expires: Option<u64>) -> String {
    match expires.map(words::ahead) {
        None => "never".to_owned(),
        Some(Some(left)) => format!("in {left}"),
        Some(None) => "expired".to_owned(),
    }
}
