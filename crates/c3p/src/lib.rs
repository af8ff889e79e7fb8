//! Documents of the conference control protocol: C3P commands, conference-info, IM bodies, diagnostics.
