//! TLS of the double's listeners.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{
    http1::hex,
    record::{PeerCertificate, Tls},
};
use crate::{
    Result,
    certs::{Identity, certificates},
    error::Doing as _,
};

/// What a listener asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// A certificate is taken if one is offered; any is good.
    Optional,
    /// A certificate is demanded; any is good, if its owner has the key.
    Any,
    /// A certificate by one of these authorities (PEM) is demanded.
    By(String),
}

/// A server configuration.
///
/// # Errors
/// The certificate or an authority cannot be used.
pub fn server(identity: &Identity, clients: &Clients, alpn: &[&str]) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match clients {
        Clients::By(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities)? {
                roots.add(authority).doing("cannot use a client CA")?;
            }
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .build()
                .doing("cannot use the client CAs")?
        }
        Clients::Any | Clients::Optional => {
            Arc::new(AnyClient { mandatory: *clients == Clients::Any, provider: Arc::clone(&provider) })
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .doing("cannot configure TLS")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain()?, identity.key()?)
        .doing("cannot use a server certificate")?;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// What is recorded of a finished handshake.
#[must_use]
pub fn describe(connection: &rustls::ServerConnection) -> Tls {
    Tls {
        sni: connection.server_name().map(str::to_owned),
        alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        version: connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
        peer: connection.peer_certificates().and_then(|chain| Some(peer(chain.first()?))),
    }
}

fn peer(certificate: &CertificateDer<'_>) -> PeerCertificate {
    let sha256 = hex(&Sha256::digest(certificate));
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return PeerCertificate { sha256, ..PeerCertificate::default() };
    };
    let names = parsed.subject_alternative_name().ok().flatten();
    let uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    PeerCertificate {
        subject: parsed.subject().to_string(),
        common_names: parsed
            .subject()
            .iter_common_name()
            .filter_map(|name| Some(name.as_str().ok()?.to_owned()))
            .collect(),
        uris: uris.collect(),
        sha256,
    }
}

/// Takes any client certificate whose owner proves to have the key: the double reports, tests judge.
#[derive(Debug)]
struct AnyClient {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
