//! Events, results and the append-only journal of a run.
