use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

use super::*;

fn made_with(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
    let key = KeyPair::generate_for(algorithm).unwrap();
    self_signed(&for_host(HOST), key).certificate.der().to_vec()
}

#[test]
fn the_hash_is_that_of_the_signature() {
    let cases: [(Vec<u8>, Option<&'static Algorithm>); 8] = [
        (made_with(&rcgen::PKCS_ECDSA_P256_SHA256), Some(&SHA256)),
        (made_with(&rcgen::PKCS_ECDSA_P384_SHA384), Some(&SHA384)),
        (made_with(&rcgen::PKCS_ED25519), None),
        (include_bytes!("rsa-sha1.der").to_vec(), Some(&SHA256)),
        (include_bytes!("rsa-sha256.der").to_vec(), Some(&SHA256)),
        (include_bytes!("rsa-sha384.der").to_vec(), Some(&SHA384)),
        (include_bytes!("rsa-sha512.der").to_vec(), Some(&SHA512)),
        (include_bytes!("rsa-pss.der").to_vec(), None),
    ];
    for (place, (der, algorithm)) in cases.iter().enumerate() {
        let expected = algorithm.map(|algorithm| digest(algorithm, der).as_ref().to_vec());
        assert_eq!(end_point_hash(der), expected, "case {place}");
    }
}

/// The issuer's signature decides, not the certificate's own key.
#[test]
fn the_issuers_algorithm_counts() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let authority = Authority::new("CA");
    let certificate = for_host(HOST).signed_by(&key, &authority.issuer).unwrap();
    let expected = digest(&SHA256, certificate.der()).as_ref().to_vec();
    assert_eq!(end_point_hash(certificate.der()), Some(expected));
}

#[test]
fn what_is_no_certificate_has_no_hash() {
    let good = made_with(&rcgen::PKCS_ECDSA_P256_SHA256);
    assert!(end_point_hash(&good).is_some());
    assert_eq!(end_point_hash(b""), None);
    assert_eq!(end_point_hash(&good[..good.len() - 1]), None);
    assert_eq!(end_point_hash(&[good.as_slice(), b"x"].concat()), None);
}
