//! MQTT topics of the product's own messages, built and parsed in one place.

/// Base topic of Zigbee2MQTT unless configured otherwise.
pub const ZIGBEE2MQTT_BASE: &str = "zigbee2mqtt";

/// A caregiver's reader or phone publishes check-ins and check-outs here.
pub const VISIT: &str = "homecare/visit";

/// The gateway publishes what the elder is told here, retained.
pub const REASSURANCE: &str = "homecare/reassurance";

/// The gateway publishes the home's rotating presence code here, for its display.
pub const PRESENCE_CODE: &str = "homecare/presence-code";

/// Begins the topics of inputs that are wired to the gateway itself; nobody may publish there.
pub const WIRED: &str = "homecare/wired/";

/// The elder's cancel for a running pre-alarm, for a button or page of the product's own.
pub const CANCEL: &str = "homecare/cancel";

/// The gateway publishes its own state here, retained, where Home Assistant is to see it.
pub const STATE: &str = "homecare/state";

/// The gateway publishes `online` and `offline` here, retained, where Home Assistant is to see it.
pub const STATUS: &str = "homecare/status";
