//! A JSON schema as `schemars` derives it → one that the API server takes as structural.
//!
//! Option types lose their `null` (the API server drops nulls where a field is not `nullable`), enums become one `type` with
//! values or one object with a choice of fields, and what a definition may not say goes: defaults that nobody
//! asked for, `additionalProperties: false`, unknown formats.

use serde_json::{Map, Value, json};

/// Written in a type's attributes where the API server shall fill in a default: a default of serde's only says what
/// absence means.
const FILLED_IN: &str = "x-fairlead-default";

/// Formats that the API server knows.
const FORMATS: [&str; 3] = ["int32", "int64", "date-time"];

/// Makes `schema`, and all schemas in it, structural.
pub(super) fn make(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for word in ["$schema", "title", "default"] {
        fields.remove(word);
    }
    if let Some(default) = fields.remove(FILLED_IN) {
        fields.insert("default".into(), default);
    }
    drop_null(fields);
    merge_branches(fields);
    if fields.get("additionalProperties").is_some_and(Value::is_boolean) {
        fields.remove("additionalProperties");
    }
    number(fields);
    if let Some(Value::String(description)) = fields.get_mut("description") {
        *description = one_line_a_paragraph(description);
    }
    for property in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        make(property.1);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get_mut(inner) {
            make(schema);
        }
    }
}

/// An `Option` is the type itself or null: `type: [T, null]`, or a branch `type: null` beside T's.
fn drop_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(mut branches)) = fields.remove("anyOf") {
        branches.retain(|branch| branch != &json!({"type": "null"}));
        for branch in branches {
            absorb(fields, branch);
        }
    }
}

/// The branches of an enum: constants become `enum`, objects with one field each become one object with all of them.
fn merge_branches(fields: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = fields.remove("oneOf") else { return };
    let mut constants = Vec::new();
    let mut properties = Map::new();
    for mut branch in branches {
        let Some(branch) = branch.as_object_mut() else { continue };
        if let Some(constant) = branch.remove("const") {
            constants.push(constant);
        } else if let Some(Value::Array(values)) = branch.remove("enum") {
            constants.extend(values);
        }
        let description = branch.remove("description");
        for (name, mut property) in branch.remove("properties").and_then(into_object).unwrap_or_default() {
            if let (Some(property), Some(description)) = (property.as_object_mut(), &description) {
                property.entry("description").or_insert_with(|| description.clone());
            }
            properties.insert(name, property);
        }
    }
    if properties.is_empty() {
        fields.insert("type".into(), json!("string"));
        fields.insert("enum".into(), Value::Array(constants));
    } else {
        fields.insert("type".into(), json!("object"));
        fields.insert("properties".into(), Value::Object(properties));
    }
}

/// Takes over what `fields` does not say itself.
fn absorb(fields: &mut Map<String, Value>, branch: Value) {
    for (key, value) in into_object(branch).unwrap_or_default() {
        fields.entry(key).or_insert(value);
    }
}

/// Rust's widths, as limits where the API server has no format for them.
fn number(fields: &mut Map<String, Value>) {
    match fields.get("format").and_then(Value::as_str) {
        Some("uint32") => drop(fields.entry("maximum").or_insert_with(|| json!(u32::MAX))),
        None => return,
        Some(format) if FORMATS.contains(&format) => return,
        Some(_) => {}
    }
    fields.remove("format");
}

/// Line breaks of the source are no line breaks of the text.
fn one_line_a_paragraph(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n\n")
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}
