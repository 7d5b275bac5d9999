//! `GET /v1/openapi.json`: the API's own description, generated from the handlers.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::{commands, downlink, feed, operations, orders, schema, stream, uplink};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "cloud-bridge",
        description = "Central service of the home-care emergency gateway: records in, work orders and the alert feed out.",
    ),
    paths(
        uplink::uplink, downlink::downlink, feed::feed, stream::stream, orders::list, orders::one,
        commands::claim, commands::release, commands::dispatch, commands::withdraw, commands::on_scene,
        commands::note, commands::close, document, operations::healthz, operations::metrics,
    ),
    components(schemas(schema::WorkOrderNotice, schema::VisitNotice, schema::PreAlarmNotice, schema::TestNotice)),
    modifiers(&Credentials),
)]
pub(super) struct Document;

/// The two kinds of credential.
struct Credentials;

impl utoipa::Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, text) in [("gateway", "A gateway's own credential"), ("user", "A sign-in; its role decides")] {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build();
            components.add_security_scheme(name, SecurityScheme::Http(bearer));
        }
    }
}

/// Describes the API.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "operations",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
