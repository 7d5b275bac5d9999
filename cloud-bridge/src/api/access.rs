//! Who is asking: bearer tokens, compared in constant time, and what each role may do.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use protocol::ids::GatewayId;

use super::App;
use super::problem::ApiError;
use crate::config::{CentreConfig, Role};
use crate::dispatch::Operator;

/// The holder of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A gateway.
    Gateway(GatewayId),
    /// A person or program.
    User {
        /// The sign-in's name.
        name: String,
        /// Its role.
        role: Role,
    },
}

/// Every credential, by hash; the secrets themselves are not kept.
#[derive(Debug)]
pub struct Access {
    /// By the first 8 bytes of the token's hash, which say nothing useful about any other token.
    known: BTreeMap<[u8; 8], Vec<(blake3::Hash, Principal)>>,
}

impl Access {
    /// Takes the credentials of a configuration.
    pub fn new(config: &CentreConfig) -> Self {
        let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut add = |token: &str, principal| {
            let hash = blake3::hash(token.as_bytes());
            known.entry(prefix(&hash)).or_default().push((hash, principal));
        };
        for (id, token) in &config.gateways {
            add(token.secret(), Principal::Gateway(id.clone()));
        }
        for user in &config.users {
            add(user.token.secret(), Principal::User { name: user.name.clone(), role: user.role });
        }
        Self { known }
    }

    /// Who holds `token`. Hashes are compared in constant time (`blake3::Hash`'s equality is).
    pub fn who(&self, token: &str) -> Option<&Principal> {
        let hash = blake3::hash(token.as_bytes());
        self.known.get(&prefix(&hash))?.iter().find(|(known, _)| *known == hash).map(|(_, principal)| principal)
    }
}

fn prefix(hash: &blake3::Hash) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&hash.as_bytes()[..8]);
    prefix
}

impl FromRequestParts<App> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match token.and_then(|token| app.0.access.who(token)) {
            Some(principal) => Ok(principal.clone()),
            None => {
                app.0.metrics.unauthorised.add(1);
                Err(ApiError::Unauthorised)
            }
        }
    }
}

/// A gateway; nobody else may send records or poll for a home.
#[derive(Debug)]
pub struct AsGateway(pub GatewayId);

impl FromRequestParts<App> for AsGateway {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Principal::from_request_parts(parts, app).await? {
            Principal::Gateway(id) => Ok(Self(id)),
            Principal::User { .. } => Err(ApiError::Forbidden("only a gateway's own credential may do this")),
        }
    }
}

/// Somebody who may read the feed.
#[derive(Debug)]
pub struct FeedReader;

impl FromRequestParts<App> for FeedReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match role(parts, app).await?.1 {
            Role::Viewer
            | Role::Dispatcher
            | Role::Supervisor
            | Role::Integrator
            | Role::TenantAdmin
            | Role::Auditor => Ok(Self),
            Role::Installer => Err(ApiError::Forbidden("this role may not read the feed")),
        }
    }
}

/// Somebody who may read work orders with their timelines.
#[derive(Debug)]
pub struct OrderReader;

impl FromRequestParts<App> for OrderReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match role(parts, app).await?.1 {
            Role::Viewer | Role::Dispatcher | Role::Supervisor | Role::TenantAdmin | Role::Auditor => Ok(Self),
            Role::Integrator | Role::Installer => Err(ApiError::Forbidden("this role may not read work orders")),
        }
    }
}

/// Somebody who may handle work orders.
#[derive(Debug)]
pub struct AsOperator(pub Operator);

impl FromRequestParts<App> for AsOperator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (name, role) = role(parts, app).await?;
        match role {
            Role::Dispatcher => Ok(Self(Operator { name, supervisor: false })),
            Role::Supervisor => Ok(Self(Operator { name, supervisor: true })),
            Role::Viewer | Role::Integrator | Role::Installer | Role::TenantAdmin | Role::Auditor => {
                Err(ApiError::Forbidden("only dispatchers and supervisors may handle work orders"))
            }
        }
    }
}

async fn role(parts: &mut Parts, app: &App) -> Result<(String, Role), ApiError> {
    match Principal::from_request_parts(parts, app).await? {
        Principal::User { name, role } => Ok((name, role)),
        Principal::Gateway(_) => Err(ApiError::Forbidden("a gateway's credential is for uplink and downlink only")),
    }
}
