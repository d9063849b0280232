//! Reports from the record of a run: terminal, JUnit, JSON.
