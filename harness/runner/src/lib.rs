//! Runs scenarios on boards: steps, deadlines, verdicts, clean-up, events.
