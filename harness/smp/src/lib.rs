//! SMP (MCUmgr) client: protocol without I/O, then transports.
