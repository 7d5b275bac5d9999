//! Certificates made for one run: an authority, and server certificates that it signs.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::setup::Setup;

/// A certificate authority that only this run knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

/// When a server certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// From long ago until far ahead.
    Now,
    /// It ended in 2020.
    Expired,
}

impl Authority {
    /// Makes an authority and writes its certificate into the run's directory.
    ///
    /// # Errors
    /// When a key cannot be made or the file not written.
    pub fn new(setup: &Setup, name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = setup.write(&format!("{name}.pem"), &issuer.pem())?;
        Ok(Self { issuer, file })
    }

    /// Its certificate's file.
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// A client that trusts this authority as well as the machine's.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn client(&self) -> anyhow::Result<reqwest::Client> {
        let certificate = reqwest::Certificate::from_pem(self.issuer.pem().as_bytes())?;
        Ok(reqwest::Client::builder().no_proxy().tls_certs_merge([certificate]).build()?)
    }

    /// Signs a server certificate for these names and addresses; gives the files of certificate and key.
    ///
    /// # Errors
    /// When a key cannot be made or a file not written.
    pub fn server(&self, setup: &Setup, hosts: &[&str], holds: Holds) -> anyhow::Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
        if holds == Holds::Expired {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        let cert = setup.write("centre-cert.pem", &certificate.pem())?;
        let key = setup.write("centre-key.pem", &key.serialize_pem())?;
        Ok((cert, key))
    }
}
