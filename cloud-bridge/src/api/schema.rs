//! The wire types of `protocol` as the API's description shows them.
//!
//! `protocol` knows nothing of OpenAPI; a test holds these against what it really writes.

use utoipa::ToSchema;

macro_rules! described {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(ToSchema)]
            #[expect(dead_code, reason = "only described, never made")]
            pub(super) struct $name {
                $($(#[$field_meta])* $field: $type,)*
            }
        )*
    };
}

described! {
    /// What went wrong and what to do about it (RFC 9457).
    Problem {
        /// A stable name of the kind of problem.
        #[schema(rename = "type", example = "/problems/already-claimed")]
        kind: String,
        /// The kind in a few words.
        title: String,
        /// HTTP status.
        status: u16,
        /// This occurrence, and what to do.
        detail: String,
    }

    /// When something happened, by every clock the gateway has.
    Stamp {
        /// Which boot of the machine `uptime_ms` counts from.
        boot: u64,
        /// Milliseconds since that boot.
        uptime_ms: u64,
        /// Unix milliseconds by the wall clock.
        wall_ms: i64,
        /// Whether the wall clock was synchronised.
        wall_trusted: bool,
    }

    /// Identity of a record within one gateway.
    LocalKey {
        /// The run that made it, 16 hexadecimal digits.
        incarnation: String,
        /// Its place in the journal, from 1.
        seq: u64,
    }

    /// One entry of a gateway's journal.
    Record {
        /// The run that made it, 16 hexadecimal digits.
        incarnation: String,
        /// Its place in the journal, from 1.
        seq: u64,
        /// When it was made.
        at: Stamp,
        /// The MQTT delivery it was made from.
        #[schema(value_type = Option<Object>)]
        delivery: Option<()>,
        /// What it says: one of started, stopped, observed, trigger, pre_alarm, cancelled, visit, reassured,
        /// link, played, contacts_called, contact_told.
        #[schema(value_type = Object)]
        body: (),
        /// Hash of the record before it, 64 hexadecimal digits.
        prev: String,
        /// Its own hash, 64 hexadecimal digits.
        hash: String,
    }

    /// A batch of records.
    UplinkRequest {
        /// Version, 1.
        v: u8,
        /// The gateway.
        gateway: String,
        /// Its clocks at sending.
        sent: Stamp,
        /// At most 500 records.
        records: Vec<Record>,
    }

    /// A machine says: stored.
    Receipt {
        /// The record.
        key: LocalKey,
        /// Its hash, as stored.
        hash: String,
    }

    /// A record that was not stored.
    Refusal {
        /// The record.
        key: LocalKey,
        /// hash_conflict, hash_mismatch or not_understood.
        reason: String,
    }

    /// Answer to a batch.
    UplinkAnswer {
        /// Version, 1.
        v: u8,
        /// Version of the home's orders after these records; 0 where no emergency record was among them.
        ver: u64,
        /// One per record stored now or before.
        receipts: Vec<Receipt>,
        /// Records that are not stored.
        refused: Vec<Refusal>,
    }

    /// One open order as the elder may be told of it.
    OrderProgress {
        /// `wo_…`.
        id: String,
        /// The record that opened it.
        opened_by: Option<LocalKey>,
        /// emergency, fire_gas, assistance or technical.
        class: String,
        /// received, taken, coming, here or retracted.
        stage: String,
        /// Version of the order.
        ver: u64,
    }

    /// The present state of a home's open orders.
    DownlinkAnswer {
        /// Version, 1.
        v: u8,
        /// Version of the home; ask `after` it.
        next: u64,
        /// The open orders.
        orders: Vec<OrderProgress>,
        /// How long this holds, seconds.
        lease_secs: u64,
        /// The centre's wall clock, Unix milliseconds.
        server_time_ms: i64,
    }

    /// One item of the feed (CloudEvents 1.0).
    FeedEvent {
        /// Always `1.0`.
        specversion: String,
        /// `evt_…`; the same on every channel.
        id: String,
        /// `/tenants/{tenant}/cloud-bridge`.
        source: String,
        /// workorder.opened|updated|claimed|released|dispatched|on_scene|closed,
        /// care_visit.checked_in|checked_out, prealarm.cancelled, test; on the stream also feed.reset.
        #[schema(rename = "type")]
        kind: String,
        /// `wo_…` or a gateway.
        subject: String,
        /// RFC 3339.
        time: String,
        /// The same as `time`.
        timestamp: String,
        /// Always `application/json`.
        datacontenttype: String,
        /// Place in the feed, as decimal text.
        feedseq: String,
        /// Whether a test caused it.
        test: bool,
        /// A WorkOrderNotice, VisitNotice, PreAlarmNotice or TestNotice, by `type`.
        #[schema(value_type = Object)]
        data: (),
    }

    /// A page of the pull log.
    FeedPage {
        /// The events.
        events: Vec<FeedEvent>,
        /// The place to ask after next.
        next: String,
        /// Whether more are waiting.
        more: bool,
    }

    /// What every `workorder.*` event says.
    WorkOrderNotice {
        /// `wo_…`.
        id: String,
        /// The larger version is the newer one.
        ver: u64,
        /// The gateway of the home.
        gateway: String,
        /// emergency, fire_gas, assistance or technical.
        class: String,
        /// What opened it.
        kind: String,
        /// 0 to 3.
        priority: u8,
        /// open, claimed, verifying, dispatched, on_scene, awaiting_close or closed.
        state: String,
        /// Why it was opened.
        reason: String,
        /// How many triggers it carries.
        presses: u32,
        /// Who has it.
        owner: Option<String>,
        /// Whether consoles ring (again).
        ring: bool,
        /// Whether it arrived more than 120 s after it happened.
        late: bool,
        /// The close code, once closed.
        close_code: Option<String>,
    }

    /// What every `care_visit.*` event says.
    VisitNotice {
        /// The gateway of the home.
        gateway: String,
        /// The caregiver's staff id; null for one whom the home does not know.
        caregiver: Option<String>,
        /// The service.
        service: String,
        /// contradicted, claimed, located or proven.
        grade: String,
        /// What is odd.
        exceptions: Vec<String>,
        /// Distance to the home, metres.
        distance_m: Option<u32>,
        /// The emergency order that was open.
        work_order: Option<String>,
        /// Whether the caregiver said what came of it.
        outcome_given: bool,
    }

    /// What `prealarm.cancelled` says.
    PreAlarmNotice {
        /// The gateway of the home.
        gateway: String,
        /// The pre-alarm's record.
        lifecycle: LocalKey,
        /// What would have been raised.
        kind: Option<String>,
        /// Why it was cancelled.
        reason: String,
    }

    /// What `test` says.
    TestNotice {
        /// The gateway of the home.
        gateway: String,
        /// The record, which is the evidence.
        record: LocalKey,
        /// What was tested.
        kind: String,
        /// Whether it arrived late.
        late: bool,
    }
}
