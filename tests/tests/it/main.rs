//! The product as its users meet it: real programs, a real broker, disk and HTTP; and the rules of
//! the source that no compiler checks. Every test waits for conditions and never for time to pass.

mod abuse;
mod baseline;
mod broker;
mod centre_link;
mod command_line;
mod device_list;
mod devices;
mod external_broker;
mod history;
mod home;
mod hostile_bytes;
mod rights;
mod stopping;
mod stream;
mod tidy;
mod week;
mod wired;
