//! The Focus core, flow by flow; the wire scenarios are in `frontend::tests`.
