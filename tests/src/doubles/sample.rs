//! An instance of a JSON schema: what a model answers when JSON is asked for.

use serde_json::{Map, Value, json};

/// A value that is valid under the usual part of JSON Schema.
pub fn instance_of(schema: &Value) -> Value {
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(first) = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema[*key].as_array()?.first())
    {
        return instance_of(first);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => string(schema),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(21)),
        Some("number") => schema.get("minimum").cloned().unwrap_or(json!(21.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => json!([instance_of(&schema["items"])]),
        _ => object(schema),
    }
}

fn string(schema: &Value) -> Value {
    match schema["format"].as_str() {
        Some("date-time") => json!("2026-01-01T00:00:00Z"),
        Some("date") => json!("2026-01-01"),
        _ => json!("Paris"),
    }
}

fn object(schema: &Value) -> Value {
    let properties = schema["properties"].as_object();
    let fields = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| (name.clone(), instance_of(property)));
    Value::Object(Map::from_iter(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_gets_each_property() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}, "unit": {"enum": ["c", "f"]},
            "tags": {"type": "array", "items": {"type": "boolean"}}
        }});
        assert_eq!(
            instance_of(&schema),
            json!({"city": "Paris", "days": 3, "unit": "c", "tags": [true]})
        );
    }

    #[test]
    fn no_schema_is_an_empty_object() {
        assert_eq!(instance_of(&Value::Null), json!({}));
    }
}
