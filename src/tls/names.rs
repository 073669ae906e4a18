//! The names that a client's certificate carries, as far as a zone may be read from them.

use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::policy::Field;

/// Most names of one certificate that are looked at; one with more has none.
pub const MAX_NAMES: usize = 100;

/// The names in a certificate that has been verified; none where it cannot be read. Two common names are
/// none: nobody should have to know which of them counts.
pub fn names(certificate_der: &[u8], field: Field) -> Vec<String> {
    let Ok((rest, certificate)) = x509_parser::parse_x509_certificate(certificate_der) else {
        return Vec::new();
    };
    if !rest.is_empty() {
        return Vec::new();
    }
    let names = match field {
        Field::CommonName => common_name(&certificate),
        Field::AlternativeName => alternative_names(&certificate),
    };
    names.unwrap_or_default()
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let mut all = certificate.subject().iter_common_name();
    let name = all.next()?.as_str().ok()?;
    all.next().is_none().then(|| vec![name.to_owned()])
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let all = certificate.subject_alternative_name().ok()??;
    let all = &all.value.general_names;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    };
    (all.len() <= MAX_NAMES).then(|| all.iter().filter_map(name).collect())
}
