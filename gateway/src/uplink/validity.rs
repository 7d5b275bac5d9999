//! When a certificate of the centre counts as valid on a machine whose clock may be wrong.
//!
//! A Pi has no clock battery: after a power cut it may believe in 1970, and with a bad clock chip in 2050.
//! As long as the centre has not confirmed the clock in this boot, true time is only known to lie at or
//! after the last moment that was ever trusted here. A chain is then taken if there is any such moment at
//! which it is valid: one that had expired before is refused, whatever the clock says. Once the clock is
//! confirmed, it alone decides. Nothing else of the check is loosened: names, signatures and the
//! authority hold at every time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// A moment that every gateway of this version knows to be past, Unix milliseconds: 2026-01-01.
const KNOWN_PAST_MS: i64 = 1_767_225_600_000;

/// Most certificates of one chain whose beginnings are tried.
const CHAIN_MAX: usize = 8;

/// What is known of true time, shared by all paths.
#[derive(Debug)]
pub struct TrueTime {
    past_ms: AtomicI64,
    is_confirmed: AtomicBool,
}

impl TrueTime {
    /// Knows only that `trusted_ms`, the last moment trusted before, is past; Unix milliseconds.
    pub fn after(trusted_ms: i64) -> Self {
        Self { past_ms: AtomicI64::new(trusted_ms.max(KNOWN_PAST_MS)), is_confirmed: AtomicBool::new(false) }
    }

    /// The wall clock says `wall_ms`; `confirmed` where the centre agrees with it in this boot.
    pub fn clock_is(&self, wall_ms: i64, confirmed: bool) {
        self.is_confirmed.store(confirmed, Ordering::Relaxed);
        if confirmed {
            self.past_ms.fetch_max(wall_ms, Ordering::Relaxed);
        }
    }

    fn past(&self) -> UnixTime {
        unix(self.past_ms.load(Ordering::Relaxed))
    }
}

fn unix(ms: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// A chain that was taken.
#[derive(Debug)]
struct Taken {
    end_entity: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    server_name: ServerName<'static>,
}

/// What one path's handshakes came to.
#[derive(Debug, Default)]
struct Outcome {
    taken: Option<Taken>,
    /// Why the last one was refused, where it was for its time.
    refused: Option<String>,
}

/// The check of the centre's certificate on one path.
#[derive(Debug)]
pub struct Validity {
    inner: Arc<dyn ServerCertVerifier>,
    time: Arc<TrueTime>,
    outcome: Mutex<Outcome>,
}

impl Validity {
    /// Checks with `inner`, at a time of its own choice where the clock may be wrong.
    pub fn new(inner: Arc<dyn ServerCertVerifier>, time: Arc<TrueTime>) -> Self {
        Self { inner, time, outcome: Mutex::default() }
    }

    /// Why the last certificate was refused, where it was for its time.
    pub fn refused(&self) -> Option<String> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
    }

    /// Whether the certificate that the centre showed is valid at the time it tells: a centre that its own
    /// certificate contradicts confirms no clock. Without any certificate there is no contradiction.
    pub fn agrees_with(&self, server_time_ms: i64) -> bool {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.taken.as_ref().is_none_or(|taken| {
            let Taken { end_entity, intermediates, server_name } = taken;
            self.inner.verify_server_cert(end_entity, intermediates, server_name, &[], unix(server_time_ms)).is_ok()
        })
    }

    /// The check at the first moment, from the last trusted one on, at which every part of the chain has begun.
    fn at_some_time(
        &self,
        check: impl Fn(UnixTime) -> Result<ServerCertVerified, Error>,
    ) -> Result<ServerCertVerified, Error> {
        let mut time = self.time.past();
        let mut checked = check(time);
        for _ in 0..CHAIN_MAX {
            match &checked {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                    if *not_before > time =>
                {
                    time = *not_before;
                    checked = check(time);
                }
                Ok(_) | Err(_) => break,
            }
        }
        checked
    }
}

fn is_of_time(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

impl ServerCertVerifier for Validity {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check = |time| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        // An unconfirmed clock decides nothing: whatever is valid at a moment it may rightly show is taken too.
        let confirmed = self.time.is_confirmed.load(Ordering::Relaxed);
        let checked = if confirmed { check(now) } else { self.at_some_time(check) };
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.refused = checked.as_ref().err().filter(|error| is_of_time(error)).map(ToString::to_string);
        if checked.is_ok() {
            outcome.taken = Some(Taken {
                end_entity: end_entity.clone().into_owned(),
                intermediates: intermediates.iter().map(|der| der.clone().into_owned()).collect(),
                server_name: server_name.to_owned(),
            });
        }
        checked
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
