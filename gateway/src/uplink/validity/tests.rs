use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;

use super::*;

fn year(year: i32) -> UnixTime {
    unix(date_time_ymd(year, 1, 1).unix_timestamp() * 1_000)
}

fn ms(year: i32) -> i64 {
    date_time_ymd(year, 1, 1).unix_timestamp() * 1_000
}

/// A centre's certificate for those years, and the check of a gateway that knows `past` to be past.
fn centre(years: std::ops::Range<i32>, past: i32) -> (CertificateDer<'static>, Validity) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["centre.example.org".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    (certificate.der().clone(), Validity::new(inner, Arc::new(TrueTime::after(ms(past)))))
}

fn check(validity: &Validity, certificate: &CertificateDer<'_>, name: &'static str, clock: UnixTime) -> bool {
    let name = ServerName::try_from(name).unwrap();
    validity.verify_server_cert(certificate, &[], &name, &[], clock).is_ok()
}

const NAME: &str = "centre.example.org";

#[test]
fn a_clock_in_1970_or_far_ahead_does_not_keep_a_gateway_from_its_centre() {
    let (certificate, validity) = centre(2027..2029, 2027);
    for clock in [1970, 2026, 2028, 2050] {
        assert!(check(&validity, &certificate, NAME, year(clock)), "{clock}");
        assert_eq!(validity.refused(), None);
    }
}

#[test]
fn a_certificate_renewed_while_the_gateway_was_off_is_taken() {
    let (certificate, validity) = centre(2028..2029, 2027);
    assert!(check(&validity, &certificate, NAME, year(1970)));
}

#[test]
fn one_that_had_expired_at_the_last_trusted_moment_is_refused_and_named_whatever_the_clock_says() {
    let (certificate, validity) = centre(2026..2027, 2028);
    for clock in [1970, 2025, 2026, 2028, 2050] {
        assert!(!check(&validity, &certificate, NAME, year(clock)), "{clock}");
        assert!(validity.refused().is_some_and(|why| why.contains("expired")), "{:?}", validity.refused());
    }
}

#[test]
fn a_confirmed_clock_alone_decides() {
    let (certificate, validity) = centre(2027..2029, 2027);
    validity.time.clock_is(ms(2030), true);
    assert!(!check(&validity, &certificate, NAME, year(2030)));
    assert!(validity.refused().is_some());
    // A clock that jumps back is confirmed no longer, and what was trusted stays past.
    validity.time.clock_is(ms(1971), false);
    assert!(!check(&validity, &certificate, NAME, year(1971)));
}

#[test]
fn name_and_authority_hold_at_every_time() {
    let (certificate, validity) = centre(2027..2029, 2027);
    assert!(!check(&validity, &certificate, "other.example.org", year(1970)));
    assert_eq!(validity.refused(), None, "that is no matter of time");
    let (_, other) = centre(2027..2029, 2027);
    assert!(!check(&other, &certificate, NAME, year(1970)));
}

#[test]
fn a_centre_whose_own_certificate_contradicts_its_time_confirms_no_clock() {
    let (certificate, validity) = centre(2027..2029, 2027);
    assert!(validity.agrees_with(ms(2050)), "nothing was shown yet");
    assert!(check(&validity, &certificate, NAME, year(1970)));
    assert!(validity.agrees_with(ms(2028)));
    assert!(!validity.agrees_with(ms(2050)));
    assert!(!validity.agrees_with(0));
}
