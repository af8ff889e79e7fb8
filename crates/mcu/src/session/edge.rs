//! The rows M1 to M8, in the order of the table.

use super::states::{Active, Idle, Retrying, Terminated};

crate::edges! {
    /// The number of a transition of the McuSession.
    pub enum McuTransition of "McuSession" {
        M1: Idle => Active, "focus reports the mcu active";
        M2: Idle => Terminated, "conference has no such mcu";
        M3: Active => Retrying, "focus failed over (call kept)";
        M4: Active => Retrying, "mcu failed over (call ended)";
        M5: Retrying => Active, "focus reports the mcu active again";
        M8: Retrying => Idle, "after the reconnect the focus reports the mcu not active";
        M6: Idle | Active | Retrying => Terminated, "session ended";
        M7: Idle | Active | Retrying => Idle, "parent session returned to Idle";
    }
}
