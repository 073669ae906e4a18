use rcgen::{DnType, DnValue, SanType};

use super::*;
use crate::policy::Field;
use crate::tls::names::{MAX_NAMES, names};

fn named(edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    edit(&mut params);
    let pair = self_signed(&params, KeyPair::generate().unwrap());
    pair.certificate.der().to_vec()
}

fn common(values: Vec<DnValue>) -> Vec<String> {
    let der = named(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (number, value) in values.into_iter().enumerate() {
            // rcgen replaces a type that it has; this one is the same to everybody else.
            let same = DnType::CustomDnType(vec![2, 5, 4, 3]);
            let which = [DnType::CommonName, same][number].clone();
            params.distinguished_name.push(which, value);
        }
    });
    names(&der, Field::CommonName)
}

#[test]
fn one_common_name_is_read_as_it_is_and_two_are_none() {
    let text = |text: &str| DnValue::Utf8String(text.to_owned());
    assert_eq!(common(vec![text("tenant_\u{e4}\0b")]), ["tenant_\u{e4}\0b"]);
    assert!(common(Vec::new()).is_empty());
    assert!(common(vec![text("a"), text("b")]).is_empty());
    // What is not read for certain is not read.
    let wide = rcgen::string::BmpString::try_from("tenant_a").unwrap();
    assert!(common(vec![DnValue::BmpString(wide)]).is_empty());
}

#[test]
fn alternative_names_are_those_of_dns_and_uris() {
    let alternative = |all: Vec<SanType>| {
        let der = named(|params| params.subject_alt_names = all);
        names(&der, Field::AlternativeName)
    };
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let all = vec![
        dns("a.test"),
        SanType::Rfc822Name("b@c.test".try_into().unwrap()),
        SanType::URI("spiffe://d.test/e".try_into().unwrap()),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ];
    assert_eq!(alternative(all), ["a.test", "spiffe://d.test/e"]);
    assert!(alternative(Vec::new()).is_empty());
    assert_eq!(alternative(vec![dns("a.test"); MAX_NAMES]).len(), MAX_NAMES);
    assert!(alternative(vec![dns("a.test"); MAX_NAMES + 1]).is_empty());
    assert!(names(b"", Field::AlternativeName).is_empty());
    assert!(names(b"0\x82", Field::CommonName).is_empty());
}
