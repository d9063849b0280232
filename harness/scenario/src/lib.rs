//! Scenario files and firmware sets: model, validation with file, line and hint, expansion.
