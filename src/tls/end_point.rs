//! Channel binding data of a certificate: tls-server-end-point (RFC 5929, section 4.1).

use ring::digest;
use x509_parser::oid_registry as oid;

/// Hashes a certificate by the hash of its own signature algorithm; MD5 and SHA-1 count as SHA-256.
///
/// None where the signature has no such hash, or none that is beyond doubt: Ed25519 has none at all;
/// RSA-PSS has one in its parameters, but libpq before 2023 aborts the connection over it; SHA-224 is
/// not available here. Then -PLUS must not be offered: a client would compute something else or abort.
pub fn end_point_hash(cert_der: &[u8]) -> Option<Vec<u8>> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(cert_der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let signature = &certificate.signature_algorithm.algorithm;
    let is_one_of = |oids: &[oid::Oid<'static>]| oids.contains(signature);
    let hash = if is_one_of(&[
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ]) {
        &digest::SHA256
    } else if is_one_of(&[oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384]) {
        &digest::SHA384
    } else if is_one_of(&[oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512]) {
        &digest::SHA512
    } else {
        return None;
    };
    Some(digest::digest(hash, cert_der).as_ref().to_vec())
}
