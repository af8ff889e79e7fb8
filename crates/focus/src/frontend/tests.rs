//! Front ends on virtual time: clients, an MCU, a store.
