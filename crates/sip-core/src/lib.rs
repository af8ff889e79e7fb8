//! SIP as a library: messages, transactions, dialogs and transports, without conference knowledge.
