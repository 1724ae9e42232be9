//! Which Secrets an Application names, so that a store fetches no others.

use std::collections::BTreeSet;

use crate::{Application, EntryType};

impl Application {
    /// Names of the Secrets that compiling this Application may look at, each once, whether they exist or not.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<&str> {
        let spec = &self.spec;
        let own_ca = spec.fairlead.as_ref().and_then(|fairlead| fairlead.ca_secret_name.as_deref());
        let entries = spec.services.iter().flat_map(|service| &service.entries);
        let entries = entries.filter(|entry| entry.kind == EntryType::Api).flat_map(|entry| {
            let credentials = entry.credentials.as_ref().map(|credentials| credentials.secret_name.as_str());
            credentials.into_iter().chain([entry.request_parameters_secret_name.as_str()])
        });
        own_ca.into_iter().chain(entries).filter(|name| !name.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::Object;

    #[test]
    fn secrets_of_entries_and_of_the_ca_are_named_once() {
        let manifest = r#"{
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop"},
            "spec": {"fairlead": {"caSecretName": "ca"}, "services": [{
                "id": "i", "name": "n", "displayName": "d", "providerDisplayName": "", "description": "",
                "entries": [
                    {"type": "API", "requestParametersSecretName": "p", "credentials": {"type": "Basic", "secretName": "s"}},
                    {"type": "API", "requestParametersSecretName": "s"},
                    {"type": "API", "credentials": {"type": "", "secretName": ""}},
                    {"type": "Events", "requestParametersSecretName": "unused"}
                ]
            }]}
        }"#;
        let Object::Application(application) =
            Object::from_json(serde_json::from_str(manifest).unwrap(), "1").unwrap()
        else {
            panic!("an Application")
        };
        assert_eq!(application.secret_names().into_iter().collect::<Vec<_>>(), ["ca", "p", "s"]);
    }
}
