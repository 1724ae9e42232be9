//! An Application between two compilations.

use fairlead_resources::{Application, Metadata};

/// What compilation reads of an Application, as compact JSON: a third of the memory that the parsed form takes, and
/// an Application is read again only when it or one of its Secrets changes.
pub(crate) struct Source(Box<[u8]>);

impl Source {
    pub(crate) fn new(mut application: Application) -> Self {
        application.metadata = Metadata { name: application.metadata.name, ..Metadata::default() };
        let spec = &mut application.spec;
        spec.description = None;
        spec.display_name = None;
        spec.provider_display_name = None;
        spec.long_description = None;
        spec.labels = None;
        spec.tags = None;
        for service in &mut spec.services {
            service.provider_display_name.clear();
            service.description.clear();
            service.identifier = None;
            service.long_description = None;
            service.auth_create_parameter_schema = None;
            service.labels = None;
            service.tags = None;
            for entry in &mut service.entries {
                entry.id = None;
                entry.central_gateway_url = None;
                entry.gateway_url = None;
                entry.api_type = None;
                entry.specification_url = None;
                entry.access_label = None;
            }
        }
        // Made of strings, numbers and lists of them, it has no way to fail.
        Self(serde_json::to_vec(&application).unwrap_or_default().into())
    }

    /// The Application, without what is for people.
    pub(crate) fn read(&self) -> Option<Application> {
        serde_json::from_slice(&self.0).ok()
    }
}

/// Without what it says, which may name systems.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use fairlead_resources::Object;

    use super::*;

    #[test]
    fn what_compilation_reads_comes_back_and_what_people_read_does_not() {
        let manifest = r#"{
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "labels": {"a": "b"}},
            "spec": {
                "description": "canary", "displayName": "canary", "providerDisplayName": "canary",
                "longDescription": "canary", "labels": {"canary": "canary"}, "tags": ["canary"],
                "skipVerify": true, "encodeUrl": false, "tenant": "t", "group": "g",
                "compassMetadata": {"authentication": {"clientIds": ["one"]}},
                "services": [{
                    "id": "i", "name": "n", "displayName": "d", "providerDisplayName": "canary", "description": "canary",
                    "identifier": "canary", "longDescription": "canary", "authCreateParameterSchema": "canary",
                    "labels": {"canary": "canary"}, "tags": ["canary"],
                    "entries": [
                        {"type": "API", "name": "e", "targetUrl": "https://t.example", "id": "canary",
                         "centralGatewayUrl": "canary", "gatewayUrl": "canary", "apiType": "canary",
                         "specificationUrl": "canary", "accessLabel": "canary",
                         "requestParametersSecretName": "p",
                         "credentials": {"type": "OAuth", "secretName": "s", "authenticationUrl": "https://token.example",
                                         "csrfInfo": {"tokenEndpointURL": "https://csrf.example"}}},
                        {"type": "Events"}
                    ]
                }],
                "fairlead": {
                    "caSecretName": "ca", "timeouts": {"headers": "1m30s", "idle": "0s"}, "callers": ["ns"],
                    "replay": {"enabled": true, "maxRequestBytes": 7}, "concurrency": 3,
                    "sink": {"publisher": "http://sink.example"}, "proxy": "http://proxy.example"
                }
            }
        }"#;
        let Object::Application(application) =
            Object::from_json(serde_json::from_str(manifest).unwrap(), "1").unwrap()
        else {
            panic!("an Application")
        };
        let source = Source::new((*application).clone());
        let read = source.read().unwrap();
        assert!(!format!("{read:?}").contains("canary"), "{read:?}");
        let (spec, whole) = (&read.spec, &application.spec);
        assert_eq!(read.metadata.name, "shop");
        assert_eq!((spec.skip_verify, spec.encode_url), (true, false));
        assert_eq!((&spec.tenant, &spec.group), (&whole.tenant, &whole.group));
        assert_eq!((&spec.compass_metadata, &spec.fairlead), (&whole.compass_metadata, &whole.fairlead));
        let (service, entries) = (&spec.services[0], &whole.services[0].entries);
        assert_eq!(
            (service.id.as_str(), service.name.as_str(), service.display_name.as_str()),
            ("i", "n", "d")
        );
        assert_eq!(service.entries[0].target_url, entries[0].target_url);
        assert_eq!(service.entries[0].credentials, entries[0].credentials);
        assert_eq!(service.entries[0].request_parameters_secret_name, "p");
        assert_eq!(service.entries[1], entries[1]);
    }
}
