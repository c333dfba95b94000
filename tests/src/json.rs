//! JSON text whose fields keep the order they are written in, as the engines' own serialisers do.

use serde_json::Value;

/// A JSON string.
pub fn text(value: &str) -> String {
    Value::from(value).to_string()
}

/// A JSON object with its fields in the given order; the values are JSON already.
pub fn object(fields: &[(&str, String)]) -> String {
    let inner: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", text(name)))
        .collect();
    format!("{{{}}}", inner.join(","))
}

/// A JSON list; the items are JSON already.
pub fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// `null`, or the value as a JSON string.
pub fn optional_text(value: Option<&str>) -> String {
    value.map_or_else(null, text)
}

/// `null`.
pub fn null() -> String {
    "null".to_owned()
}
