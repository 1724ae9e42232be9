//! The custom resource definitions, made from the types: `cargo xtask generate` writes them to `istio/crds/`.
//!
//! A schema accepts whatever upstream's accepted (decision 2): required fields, patterns and lengths are CV §9.3's, and
//! checks in CEL are on `spec.fairlead` only. What makes no sense in Kyma's own fields, a URL that is none or two services
//! under one name, must stay acceptable, since the rest of such an Application was served; a condition tells of it.

mod structural;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{activation, application, mapping, token_request};

/// Group of all these resources.
pub const GROUP: &str = "applicationconnector.kyma-project.io";

const VERSION: &str = "v1alpha1";

/// One kind of resource.
struct Kind {
    kind: &'static str,
    plural: &'static str,
    short: Option<&'static str>,
    cluster: bool,
    description: &'static str,
    /// Top-level fields beside `metadata`.
    fields: Vec<(&'static str, Value)>,
    columns: Value,
}

/// All definitions.
#[must_use]
pub fn all() -> Vec<Value> {
    [application(), token_request(), mapping(), activation()].into_iter().map(definition).collect()
}

fn application() -> Kind {
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let ready = |name: &str, field: &str, priority: u8, description: &str| {
        let path = format!(".status.conditions[?(@.type==\"Ready\")].{field}");
        json!({"name": name, "type": "string", "jsonPath": path, "priority": priority, "description": description})
    };
    Kind {
        kind: "Application",
        plural: "applications",
        short: Some("app"),
        cluster: true,
        description: "A system outside the cluster, and the APIs that it offers. Its name is the first path segment of \
                      calls, and the common name of its client certificate.",
        fields: vec![
            ("spec", schema::<application::Spec>()),
            ("status", schema::<application::status::Status>()),
        ],
        columns: json!([
            ready("Ready", "status", 0, "Whether all of it is in force"),
            {"name": "Services", "type": "integer", "jsonPath": ".status.serviceCount",
             "description": "How many services it has"},
            age,
            ready("Reason", "reason", 1, "The cause, if it is not"),
            ready("Message", "message", 1, "The cause, and what to do"),
        ]),
    }
}

fn token_request() -> Kind {
    Kind {
        kind: "TokenRequest",
        plural: "tokenrequests",
        short: None,
        cluster: false,
        description: "Asks for the one-time token with which the external system of the Application of the same name \
                      enrols.",
        fields: vec![
            ("context", schema::<token_request::Context>()),
            ("status", schema::<token_request::Status>()),
        ],
        columns: json!([]),
    }
}

fn mapping() -> Kind {
    let mut spec = schema::<mapping::Spec>();
    set(&mut spec, "nullable", json!(true));
    Kind {
        kind: "ApplicationMapping",
        plural: "applicationmappings",
        short: Some("am"),
        cluster: false,
        description: "Says which services of the Application of the same name are for this namespace.",
        fields: vec![("spec", spec)],
        columns: json!([]),
    }
}

fn activation() -> Kind {
    Kind {
        kind: "EventActivation",
        plural: "eventactivations",
        short: Some("ea"),
        cluster: false,
        description: "Marks that events of an Application were asked for in this namespace.",
        fields: vec![("spec", schema::<activation::Spec>())],
        columns: json!([]),
    }
}

fn definition(kind: Kind) -> Value {
    let Kind { kind, plural, short, cluster, description, fields, columns } = kind;
    let singular = kind.to_lowercase();
    let has_status = fields.iter().any(|(name, _)| *name == "status");
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut names = json!({
        "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular,
    });
    if let Some(short) = short {
        set(&mut names, "shortNames", json!([short]));
    }
    let mut version = json!({
        "name": VERSION,
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": {"description": description, "type": "object", "properties": properties}},
    });
    if has_status {
        set(&mut version, "subresources", json!({"status": {}}));
    }
    if columns.as_array().is_some_and(|columns| !columns.is_empty()) {
        set(&mut version, "additionalPrinterColumns", columns);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{GROUP}"),
            "annotations": {"helm.sh/resource-policy": "keep"},
            "labels": {"app.kubernetes.io/part-of": "fairlead"},
        },
        "spec": {
            "group": GROUP,
            "scope": if cluster { "Cluster" } else { "Namespaced" },
            "names": names,
            "versions": [version],
        },
    })
}

/// The structural schema of a type.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    structural::make(&mut schema);
    schema
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
        value.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn application_schema() -> Value {
        let pointer = "/spec/versions/0/schema/openAPIV3Schema";
        all().first().and_then(|definition| definition.pointer(pointer)).cloned().unwrap()
    }

    #[test]
    fn every_schema_keeps_to_the_structural_rules() {
        fn check(schema: &Value, place: &str) {
            let fields = schema.as_object().unwrap();
            for word in ["$ref", "$defs", "anyOf", "allOf", "const", "title", "$schema"] {
                assert!(!fields.contains_key(word), "{place}: {word}");
            }
            let free = fields.contains_key("x-kubernetes-preserve-unknown-fields");
            assert!(free || fields.get("type").is_some_and(Value::is_string), "{place}: {schema}");
            let both = fields.contains_key("properties") && fields.contains_key("additionalProperties");
            assert!(!both, "{place}");
            for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                assert!(property.get("description").is_some(), "{place}.{name} has no description");
                check(property, &format!("{place}.{name}"));
            }
            for inner in ["items", "additionalProperties"] {
                if let Some(schema) = fields.get(inner) {
                    check(schema, &format!("{place}[]"));
                }
            }
        }
        for definition in all() {
            let schema = at(&definition, "/spec/versions/0/schema/openAPIV3Schema");
            check(schema, at(&definition, "/spec/names/kind").as_str().unwrap());
        }
    }

    /// Whatever could be written as a number is bounded, and a proxy's URL says what it is for.
    #[test]
    fn limits_have_bounds() {
        let schema = application_schema();
        let fairlead = at(&schema, "/properties/spec/properties/fairlead/properties");
        for (field, maximum) in
            [("/concurrency", 1_000_000), ("/replay/properties/maxRequestBytes", 16 * 1024 * 1024)]
        {
            let field = at(fairlead, field);
            assert_eq!((at(field, "/minimum"), at(field, "/maximum")), (&json!(0), &json!(maximum)));
        }
        assert!(at(fairlead, "/proxy/x-kubernetes-validations/0/rule").as_str().unwrap().contains("'none'"));
    }

    /// CV §9.3: what is required, and the only default.
    #[test]
    fn applications_schema_is_kymas() {
        let schema = application_schema();
        let spec = at(&schema, "/properties/spec");
        assert_eq!(at(spec, "/required"), &Value::Null);
        assert_eq!(at(spec, "/properties/encodeUrl/default"), &json!(true));
        assert_eq!(schema.to_string().matches("\"default\":").count(), 1);
        let service = at(spec, "/properties/services/items");
        let required = json!(["id", "name", "displayName", "providerDisplayName", "description", "entries"]);
        assert_eq!(at(service, "/required"), &required);
        let entry = at(service, "/properties/entries/items");
        assert_eq!(at(entry, "/required"), &json!(["type"]));
        assert_eq!(at(entry, "/properties/type/enum"), &json!(["API", "Events"]));
        assert_eq!(at(entry, "/properties/accessLabel/maxLength"), &json!(63));
        let credentials = at(entry, "/properties/credentials");
        assert_eq!(at(credentials, "/required"), &json!(["type", "secretName"]));
        assert_eq!(at(credentials, "/properties/csrfInfo/required"), &json!(["tokenEndpointURL"]));
        assert_eq!(at(spec, "/properties/compassMetadata/required"), &json!(["authentication"]));
        let authentication = at(spec, "/properties/compassMetadata/properties/authentication");
        assert_eq!(at(authentication, "/required"), &json!(["clientIds"]));
        let nullable =
            ["/properties/labels", "/properties/tags", "/properties/services/items/properties/labels"];
        for field in nullable {
            assert_eq!(at(spec, &format!("{field}/nullable")), &json!(true), "{field}");
        }
        assert_eq!(schema.to_string().matches("\"nullable\":").count(), nullable.len());
    }
}
