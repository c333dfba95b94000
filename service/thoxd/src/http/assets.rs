//! The web page: `/`, and the files that it is made of. They are part of the program, so that the page is there as soon
//! as the device answers, of the same version, and without any other host.

use super::error::{Refused, unknown_path};
use axum::{
    body::Body,
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// What the page may do: run its own scripts, look as its own style says, ask this device. `require-trusted-types-for`
/// makes a browser refuse text as HTML, whoever wrote it: a model, a host of the network, a mistake of ours.
const PAGE_MAY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// Asked for at each visit, answered with 304 as long as it is the same: an update shows at once.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: HeaderValue,
    content: &'static [u8],
    tag: HeaderValue,
}

macro_rules! assets {
    ($($name:literal)*) => {
        LazyLock::new(|| vec![$(asset($name, include_bytes!(concat!("../../page/", $name)))),*])
    };
}

/// The files of `service/thoxd/page`.
static ASSETS: LazyLock<Vec<Asset>> = assets! {
    "index.html" "page.css" "icon.svg"
    "access.js" "api.js" "app.js" "ask.js" "chat.js" "claim.js" "connect.js" "copy.js" "device.js" "dom.js"
    "downloads.js" "keys.js" "log.js" "manage.js" "models.js" "overview.js" "secret.js" "session.js" "settings.js" "snippets.js"
    "stream.js" "tabs.js" "words.js"
};

/// `GET /`
pub async fn page(headers: HeaderMap, method: Method, uri: Uri) -> Result<Response, Refused> {
    match find("index.html") {
        Some(asset) => Ok(reply(asset, &headers)),
        None => Err(unknown_path(method, uri).await),
    }
}

/// `GET /page/{file}`
pub async fn file(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    method: Method,
    uri: Uri,
) -> Result<Response, Refused> {
    // The page itself has one address.
    let name = name.ok().filter(|Path(name)| name != "index.html");
    match name.and_then(|Path(name)| find(&name)) {
        Some(asset) => Ok(reply(asset, &headers)),
        None => Err(unknown_path(method, uri).await),
    }
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

fn asset(name: &'static str, content: &'static [u8]) -> Asset {
    let hash = Sha256::digest(content);
    let tag: String = hash.iter().take(12).map(|b| format!("{b:02x}")).collect();
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    Asset {
        name,
        kind: HeaderValue::from_static(kind),
        content,
        tag: HeaderValue::try_from(format!("\"{tag}\""))
            .unwrap_or(HeaderValue::from_static("\"\"")),
    }
}

fn reply(asset: &Asset, asked: &HeaderMap) -> Response {
    let is_same = has(asked, &asset.tag);
    let body = if is_same { &[] } else { asset.content };
    let mut response = Response::new(Body::from(body));
    if is_same {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    // A browser puts the headers of a 304 in the place of those that it has kept (RFC 9111, 3.2): each reply has all.
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, asset.kind.clone());
    told.insert(header::ETAG, asset.tag.clone());
    told.insert(header::CACHE_CONTROL, ASK_AGAIN);
    told.insert(header::CONTENT_SECURITY_POLICY, PAGE_MAY);
    told.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    told.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Whether the browser has what this tag stands for (RFC 9110, 13.1.2); of GET the weak comparison.
fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(files, served);
    }

    #[test]
    fn tags_are_compared_as_browsers_and_caches_send_them() {
        let tag = HeaderValue::from_static("\"a1\"");
        for (sent, expected) in [
            ("\"a1\"", true),
            ("W/\"a1\"", true),
            ("\"b2\", \"a1\"", true),
            ("*", true),
            ("\"b2\"", false),
            ("a1", false),
            ("", false),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static(sent));
            assert_eq!(has(&asked, &tag), expected, "{sent}");
        }
        assert!(!has(&HeaderMap::new(), &tag));
    }
}
