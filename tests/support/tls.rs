//! A certificate authority for one stack.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority; the files it writes are PEM.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: PathBuf,
}

/// A server's certificate and key.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    pub certificate: PathBuf,
    /// Mode 0600.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority, its certificate in `directory/name.crt`.
    pub fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Portcullis tests: {name}"));
        let key = KeyPair::generate().expect("make a key");
        let certificate = directory.join(format!("{name}.crt"));
        let pem = params.self_signed(&key).expect("sign the authority").pem();
        std::fs::write(&certificate, pem).expect("write the authority's certificate");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// The authority's certificate: clients' `sslrootcert`.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// A certificate for `localhost` and 127.0.0.1, `directory/name.crt` and `.key`.
    pub fn issue(&self, directory: &Path, name: &str) -> ServerCertificate {
        self.issue_as(directory, name, &["localhost", "127.0.0.1"], |_| ())
    }

    /// A certificate for `hosts`, changed by `edit` before it is signed.
    pub fn issue_as(
        &self,
        directory: &Path,
        name: &str,
        hosts: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> ServerCertificate {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("valid host names");
        edit(&mut params);
        let key = KeyPair::generate().expect("make a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("sign the certificate");
        let files = ServerCertificate {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).expect("write the certificate");
        super::files::write_secret(&files.key, &key.serialize_pem());
        files
    }
}
